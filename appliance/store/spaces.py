"""Spaces: the row that every change locks, and what a space holds.

Lock order is the space's row first, always: a transaction that has it sees, statement by
statement, all that earlier ones committed, and nobody else writes below it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from . import queries
from .pools import Connection

__all__ = ["SpaceRow", "advance", "create", "lock", "lock_cursor", "one", "reserved", "set_quota",
           "space", "space_cursor", "trash_bytes", "version_bytes"]  # fmt: skip

Q = queries.load(__file__)


class SpaceRow(NamedTuple):
    space_id: int
    owner_user_id: int
    kind: str
    seq: int
    mark: int
    quota_bytes: int
    used_bytes: int
    versions_kept: int


async def create(
    conn: Connection,
    space_id: int,
    owner_user_id: int,
    *,
    kind: str = "personal",
    quota_bytes: int,
    versions_kept: int,
    now: datetime,
) -> None:
    """Idempotent: may be repeated after a crash between the user's and the space's key."""
    await conn.execute(
        Q["create_space"],
        {
            "space_id": space_id,
            "owner_user_id": owner_user_id,
            "kind": kind,
            "quota_bytes": quota_bytes,
            "versions_kept": versions_kept,
            "now": now,
        },
    )
    await conn.execute(Q["create_root"], {"space_id": space_id, "now": now})
