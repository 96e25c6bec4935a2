"""How long to wait before the same request is sent again.

Only requests that may be repeated come here: reads, PUTs of signed bytes, and POSTs with an
Idempotency-Key. Full jitter, so that a thousand clients of a restarted server don't come at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Endurance", "Patience"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `total` bounds the sum of the waits: a lost network must come back within it."""

    first: float = 0.25
    longest: float = 15.0
    total: float = 180.0

    def wait(
        self, attempt: int, waited: float, retry_after: float | None, rand: Callable[[], float]
    ) -> float | None:
        """The wait before try number `attempt` + 1 (from 1); None: give up.

        A Retry-After is a lower bound, so that the server decides how soon; `rand` is in [0, 1).
        """
        if waited >= self.total:
            return None
        ceiling = min(self.longest, self.first * 2 ** min(attempt - 1, 16))
        delay = ceiling * (0.5 + rand() / 2)
        if retry_after is not None:
            delay = max(delay, min(retry_after, 120.0) + rand() * ceiling)
        return min(delay, max(self.total - waited, 0.0)) or None


class Endurance:
    """The patience of a whole run: once it ran out, later failures aren't waited for again.

    Without it, ten thousand files would each wait out a server that is gone. The first success
    brings it back. Called from the loop and from lanes; a race between them costs one wait.
    """

    def __init__(self, patience: Patience, rand: Callable[[], float]) -> None:
        self._patience = patience
        self._rand = rand
        self._exhausted = False

    @property
    def total(self) -> float:
        return self._patience.total

    def wait(self, attempt: int, waited: float, retry_after: float | None) -> float | None:
        if self._exhausted:
            return None
        delay = self._patience.wait(attempt, waited, retry_after, self._rand)
        self._exhausted = delay is None
        return delay

    def succeeded(self) -> None:
        self._exhausted = False
