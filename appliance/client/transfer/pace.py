"""How many transfers at once: decided by what the last change gained.

Hill climbing on measured work per second. The width doubles while that gains at least a tenth; a
step that gains nothing is taken back, and later steps, tried from time to time as networks change,
are small. What is measured is work: bytes, and a fixed worth for each request, so that many small
files count too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    before: int = 0  # the width before the growth that is being judged; 0: none is
    settled: bool = False  # the quick growth of the beginning is over
    rest: int = 0  # intervals until growth is tried again

    def observe(self, per_second: float, saturated: bool) -> Pace:
        """After an interval. `saturated`: all `width` transfers were busy; else it says nothing."""
        if not saturated or per_second <= 0:
            return self
        if self.before and per_second < self.best * _GAIN:
            back = max(self.lowest, self.before)
            return replace(self, width=back, before=0, settled=True, rest=8)
        if self.rest > 0:
            # A line that has become slower makes the next growth be judged by what it is now.
            best = per_second if per_second < self.best * _LOSS else max(self.best, per_second)
            return replace(self, best=best, before=0, rest=self.rest - 1)
        wider = min(self.highest, self.width + (2 if self.settled else self.width))
        grown = self.width if wider > self.width else 0
        return replace(self, width=wider, best=per_second, before=grown)
