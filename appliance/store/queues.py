"""What waits longer than it should, counted over a bucket of keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from . import queries
from .pools import Connection

__all__ = ["Limit", "Waiting", "waiting"]

Q = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Limit:
    """What began before these times is late."""

    stuck: datetime
    dying: datetime
    trashed: datetime
    compared: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many are late."""

    uploads: int = 0
    outbox: int = 0
    blobs: int = 0
    trash: int = 0
    comparisons: int = 0

    def __add__(self, other: Waiting) -> Waiting:
        return Waiting(
            self.uploads + other.uploads,
            self.outbox + other.outbox,
            self.blobs + other.blobs,
            self.trash + other.trash,
            self.comparisons + other.comparisons,
        )


async def waiting(conn: Connection, low: int, high: int, job: str, limit: Limit) -> Waiting:
    values = {
        "low": low, "high": high, "job": job, "stuck_before": limit.stuck,
        "dying_before": limit.dying, "trashed_before": limit.trashed,
        "compared_before": limit.compared,
    }  # fmt: skip
    rows = await (await conn.execute(Q["waiting"], values)).fetchall()
    return Waiting(*rows[0])
