"""When a dead part is started again and when it isn't: a pure decision on times of death."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GIVE_UP_DEATHS", "GIVE_UP_WINDOW", "History"]

GIVE_UP_DEATHS = 5
GIVE_UP_WINDOW = 60.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class History:
    """Deaths of one part within the last minute, in seconds of a clock that never goes back."""

    deaths: tuple[float, ...] = ()

    def died(self, now: float) -> History:
        return History((*(d for d in self.deaths if now - d < GIVE_UP_WINDOW), now))

    @property
    def hopeless(self) -> bool:
        return len(self.deaths) >= GIVE_UP_DEATHS

    @property
    def pause(self) -> float:
        """Seconds to wait before the next start: doubled with each death of the last minute."""
        return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (len(self.deaths) - 1)))
