"""What became of each thing in a run, and who is told while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from appliance.domain.errors import Problem

__all__ = ["Listener", "Outcome", "Result", "Silent"]

Result = Literal["created", "version", "unchanged", "fetched", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    local: str
    path: str  # in the space
    kind: str
    result: Result
    size: int = 0
    how: str = ""
    """known, resume, new or empty of an upload; why of what was left alone."""
    sent: int = 0  # bytes over the network, as far as this thing needed them
    node: str | None = None
    version: str | None = None
    sha256: str | None = None
    chunks: int = 0
    problem: Problem | None = None


class Listener(Protocol):
    """Called in the event loop's thread, but for `moved`, which comes from any thread."""

    def phase(self, text: str) -> None:
        """What is being done now: a short line."""

    def expect(self, files: int, size: int) -> None:
        """What the plan has to move."""

    def moved(self, size: int) -> None:
        """Bytes over the network, or taken back when a try failed (negative)."""

    def skipped(self, size: int) -> None:
        """Bytes that needn't move after all: known, or sent by an earlier run."""

    def explain(self, text: str) -> None:
        """Why something was decided (put -v)."""

    def finished(self, outcome: Outcome) -> None:
        """One thing is through, well or not."""


class Silent:
    def phase(self, text: str) -> None: ...

    def expect(self, files: int, size: int) -> None: ...

    def moved(self, size: int) -> None: ...

    def skipped(self, size: int) -> None: ...

    def explain(self, text: str) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...
