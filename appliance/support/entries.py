"""What becomes a file of the bundle, and what doesn't: made by `gather`, judged by `bundle`."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["LeftOut", "Raw"]


@dataclass(frozen=True, slots=True)
class Raw:
    """`text` is selected and not yet redacted. `newest`: when it is too long its end is kept, as
    of a log, else its beginning."""

    name: str  # in the archive
    source: str  # a path, a command, an address: for people
    text: str
    newest: bool = False
    left_out: dict[str, int] = field(default_factory=dict)  # names of fields, how often
    cut_bytes: int = 0  # of the source, not even read


@dataclass(frozen=True, slots=True)
class LeftOut:
    source: str
    why: str
