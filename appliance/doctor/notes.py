"""What an examination is told, and what it has found so far."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.doctor.report import Check, Line, Unexaminable, Unexamined, line
from appliance.domain.errors import Problem

__all__ = ["Notes", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds`: how long one answer may take. `url`, `ca`, `login` and `password` are for a look
    from outside; on a host they come from the settings, and `config` is their file."""

    seconds: float = 5.0
    ca: str = ""
    url: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    config: Path | None = None


class Notes:
    """Lines and what could not be looked at, as the checks come to their ends."""

    def __init__(self, seconds: float) -> None:
        self.lines: list[Line] = []
        self.unexamined: list[Unexamined] = []
        self._limit = 4 * seconds + 10  # the net below the limits of single answers

    async def run(self, check: Check, work: Callable[[], Awaitable[Sequence[Line]]]) -> None:
        """Never raises but when this is cancelled."""
        try:
            async with asyncio.timeout(self._limit) as limit:
                self.lines += await work()
        except Unexaminable as why:
            self.skip(check, str(why))
        except Problem as problem:
            self.lines.append(line("doctor.failed", check, f"{problem} ({problem.code})"))
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                seen = f"no end within {self._limit:g} s"
                self.lines.append(line("doctor.timed-out", check, seen))
                return
            at = traceback.extract_tb(error.__traceback__)[-1]
            seen = f"{type(error).__name__} in {Path(at.filename).name}:{at.lineno}"
            self.lines.append(line("doctor.failed", check, seen))

    def skip(self, check: Check, why: str) -> None:
        self.unexamined.append(Unexamined(check, why))
