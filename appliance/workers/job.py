"""What a job is: where it has work, what it would do, and the doing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.store.pools import Connection

from .holding import Lease

__all__ = ["Action", "Done", "Job"]

Done = Counter[str]  # action -> how many


@dataclass(frozen=True, slots=True)
class Action:
    """One planned step. `ids` and `keys` run side by side where both are set."""

    verb: str
    ids: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        shown = [*map(str, self.ids[:5]), *self.keys[:5]]
        rest = max(len(self.ids), len(self.keys)) - 5
        more = f" and {rest} more" if rest > 0 else ""
        return " ".join(filter(None, [self.verb, ", ".join(shown) + more, self.note]))


class Job(Protocol):
    """`every` is the pause between two looks, in seconds. `repeats`: a plan is one batch of the
    work, and another follows until one finds nothing to do.

    A plan reads only. An action may find that its reason is gone: everything is checked again in
    the transaction that acts, which begins with `lease.guard`.
    """

    name: str
    every: float
    repeats: bool

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        """Keys of this range that need a run."""
        ...

    async def plan(self, key: int) -> Sequence[Action]: ...

    async def execute(self, key: int, action: Action, lease: Lease) -> Done: ...
