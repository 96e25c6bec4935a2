"""How many transfers at once: decided by what the last change gained.

Hill climbing on measured work per second. Growing goes on while a step gains at least a tenth;
a step that gains nothing is taken back, and tried again later, as networks change. What is measured
is work: bytes, and a fixed worth for each request, so that many small files count too.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REQUEST_WORTH", "Pace"]

REQUEST_WORTH = 64 << 10
_GAIN = 1.10
_LOSS = 0.80


@dataclass(frozen=True, slots=True)
class Pace:
    """`width` is what to use now; `best` the throughput that a growth has to beat."""

    width: int = 4
    lowest: int = 2
    highest: int = 16
    best: float = 0.0
    grew: bool = False
    rest: int = 0  # intervals until growth is tried again

    def observe(self, per_second: float, saturated: bool) -> Pace:
        """After an interval. `saturated`: all `width` transfers were busy; else it says nothing."""
        if not saturated or per_second <= 0:
            return self
        if self.grew and per_second < self.best * _GAIN:
            return self._with(max(self.lowest, self.width - 2), self.best, grew=False, rest=8)
        if self.rest > 0:
            # A line that has become slower makes the next growth be judged by what it is now.
            best = per_second if per_second < self.best * _LOSS else max(self.best, per_second)
            return self._with(self.width, best, grew=False, rest=self.rest - 1)
        wider = min(self.highest, self.width + 2)
        return self._with(wider, per_second, grew=wider > self.width, rest=0)

    def _with(self, width: int, best: float, *, grew: bool, rest: int) -> Pace:
        return Pace(width, self.lowest, self.highest, best, grew, rest)
