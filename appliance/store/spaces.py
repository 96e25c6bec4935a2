"""Spaces: the row that every change locks, and what a space holds.

The space's row is locked first, always: a transaction that has it sees, statement by statement,
all that earlier ones committed, and nobody else writes below it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from appliance.settings import Limits

from . import queries
from .pools import Connection
from .rows import Rows, ask, ask_one

__all__ = [
    "SpaceRow", "advance", "create", "lock", "reserved", "set_quota", "set_versions_kept",
    "space", "trash_bytes", "version_bytes",
]  # fmt: skip

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
    """Idempotent: it is repeated after a crash between the user's key and the space's."""
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


async def space(conn: Connection, space_id: int) -> Rows[SpaceRow]:
    return await ask(conn, SpaceRow, Q["space"], {"space_id": space_id})


async def lock(conn: Connection, space_id: int) -> Rows[SpaceRow]:
    """The first statement of every change; later ones see what was committed before it."""
    return await ask(conn, SpaceRow, Q["lock_space"], {"space_id": space_id})


async def advance(conn: Connection, space_id: int, seq: int, mark: int, charged: int) -> None:
    await conn.execute(
        Q["advance_space"], {"space_id": space_id, "seq": seq, "mark": mark, "charged": charged}
    )


async def set_quota(conn: Connection, space_id: int, quota_bytes: int) -> bool:
    """False when there is no such space."""
    values = {"space_id": space_id, "quota_bytes": quota_bytes}
    return await (await ask_one(conn, Q["set_quota"], values)).fetchone() is not None


async def set_versions_kept(conn: Connection, space_id: int, versions_kept: int) -> bool:
    """False when there is no such space."""
    values = {"space_id": space_id, "versions_kept": versions_kept}
    return await (await ask_one(conn, Q["set_versions_kept"], values)).fetchone() is not None


async def reserved(
    conn: Connection,
    space_id: int,
    now: datetime,
    put_grace_seconds: int = Limits().put_grace_seconds,
) -> Rows[Any]:
    """Promised, not used yet: uploads and fresh blobs; one number of bytes.

    A PUT may land until `put_grace_seconds` after its URL expired, whatever became of its upload:
    an abort doesn't take the URL back.
    """
    url_expired = now - timedelta(seconds=put_grace_seconds)
    values = {"space_id": space_id, "now": now, "url_expired": url_expired}
    return await ask_one(conn, Q["reserved_bytes"], values)


async def trash_bytes(conn: Connection, space_id: int) -> Rows[Any]:
    return await ask_one(conn, Q["trash_bytes"], {"space_id": space_id})


async def version_bytes(conn: Connection, space_id: int) -> Rows[Any]:
    return await ask_one(conn, Q["version_bytes"], {"space_id": space_id})
