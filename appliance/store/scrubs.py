"""Blobs as they are read back: which are due, and what became of it.

A blob is due for a verdict when a report quarantined it. A scrub that fails takes `proven` away, so
that it isn't read again until someone acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import queries
from .pools import Connection
from .rows import ask

__all__ = ["ScrubRow", "failed", "passed", "rows", "sample", "spaces_to_judge", "unreadable"]

Q = queries.load(__file__)


class ScrubRow(NamedTuple):
    blob_id: int
    object_key: str
    object_offset: int
    stored_size: int
    raw_size: int
    chunk_class: int
    chunk_list: bytes
    sha256: bytes | None
    sha256_confirmed: bool
    proven: bool
    state: str


async def _ids(conn: Connection, name: str, **values: Any) -> list[int]:
    found = await (await conn.execute(Q[name], values)).fetchall()
    return [int(row[0]) for row in found]


async def sample(
    conn: Connection, space_id: int, before: datetime, judged_before: datetime, limit: int
) -> list[ScrubRow]:
    """Live ones read before `before`, quarantined ones read before `judged_before`, or never."""
    values = {
        "space_id": space_id,
        "before": before,
        "judged_before": judged_before,
        "limit": limit,
    }
    return await (await ask(conn, ScrubRow, Q["scrub_sample"], values)).fetchall()


async def rows(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> list[ScrubRow]:
    values = {"space_id": space_id, "blob_ids": list(blob_ids)}
    return await (await ask(conn, ScrubRow, Q["scrub_rows"], values)).fetchall()


async def spaces_to_judge(
    conn: Connection, low: int, high: int, judged_before: datetime
) -> list[int]:
    return await _ids(
        conn, "spaces_with_quarantined", low=low, high=high, judged_before=judged_before
    )


async def passed(
    conn: Connection, space_id: int, blob_id: int, sha256: bytes, now: datetime
) -> bool:
    """False when the blob has died meanwhile. A sum that was declared falsely is put right."""
    values = {"space_id": space_id, "blob_id": blob_id, "sha256": sha256}
    found = await _ids(conn, "scrub_passed", now=now, **values)
    if found:
        await conn.execute(Q["correct_sums"], values)
    return bool(found)


async def failed(conn: Connection, space_id: int, blob_id: int, now: datetime) -> bool:
    return bool(await _ids(conn, "scrub_failed", space_id=space_id, blob_id=blob_id, now=now))


async def unreadable(conn: Connection, space_id: int, blob_id: int, now: datetime) -> bool:
    """It goes to the end of the line: one object must not keep all others from being read."""
    return bool(await _ids(conn, "scrub_unreadable", space_id=space_id, blob_id=blob_id, now=now))
