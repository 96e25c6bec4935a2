"""What may be dropped, and when bytes may go.

The only rule by which a blob dies: under its space's lock, when no version, no pin and no fresh
upload refers to it, it turns `dying`. From then on it matches no fingerprint and takes no new
reference, so nothing can come to need it again. Its object is deleted after a grace longer than
tickets, long downloads, the last upload URL and the window of database restores; its row goes
after its object. At every moment a row explains each object, and no version points at a blob that
isn't live.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["Death", "may_die", "to_drop"]


def to_drop(version_ids: Iterable[int], current: int | None, kept: int) -> list[int]:
    """The versions of one node over its space's count, oldest first (ids sort by time).

    The current version counts and is never dropped, however old it is.
    """
    ordered = sorted(version_ids)
    excess = len(ordered) - max(kept, 1)
    if excess <= 0:
        return []
    return [version for version in ordered if version != current][:excess]


def may_die(versions: int, pins: int, fresh_until: datetime | None, now: datetime) -> bool:
    """`versions` and `pins` are counts of references, read under the space's lock.

    `fresh_until` bounds the life of a blob that was uploaded or found as known and not committed.
    """
    return versions == 0 and pins == 0 and (fresh_until is None or now >= fresh_until)


@dataclass(frozen=True, slots=True)
class Death:
    dying_at: datetime
    grace: timedelta

    @property
    def delete_at(self) -> datetime:
        return self.dying_at + self.grace

    def due(self, now: datetime) -> bool:
        return now >= self.delete_at
