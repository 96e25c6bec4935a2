"""The queue of new blobs that each drive of the store must have got; finish_upload fills it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from . import queries
from .pools import Connection
from .rows import ask_one

__all__ = ["count_late", "healed", "spaces_with_heals", "waiting"]

Q = queries.load(__file__)


async def spaces_with_heals(conn: Connection, low: int, high: int, limit: int) -> list[int]:
    values = {"low": low, "high": high, "limit": limit}
    return await (await ask_one(conn, Q["spaces_with_heals"], values)).fetchall()


async def waiting(conn: Connection, space_id: int, limit: int) -> list[tuple[int, str]]:
    """(blob id, object key), the oldest first."""
    values = {"space_id": space_id, "limit": limit}
    found = await (await conn.execute(Q["waiting_heals"], values)).fetchall()
    return [(int(row[0]), str(row[1])) for row in found]


async def count_late(conn: Connection, low: int, high: int, before: datetime) -> int:
    """Stored before that time, and still waiting."""
    values = {"low": low, "high": high, "before": before}
    rows = await (await conn.execute(Q["count_late_heals"], values)).fetchall()
    return int(rows[0][0])


async def healed(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> int:
    """How many were taken off."""
    values = {"space_id": space_id, "blob_ids": list(blob_ids)}
    return (await conn.execute(Q["healed"], values)).rowcount
