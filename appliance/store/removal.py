"""Every row of an account, key by key. Idempotent."""

from __future__ import annotations

from . import queries
from .pools import Connection

__all__ = ["remove_login", "remove_space", "remove_user"]

Q = queries.load(__file__)


async def remove_space(conn: Connection, space_id: int) -> None:
    await conn.execute(Q["remove_space"], {"space_id": space_id, "key": space_id})


async def remove_user(conn: Connection, user_id: int) -> None:
    await conn.execute(Q["remove_user"], {"user_id": user_id, "key": user_id})


async def remove_login(conn: Connection, login_key: int, folded: str) -> None:
    await conn.execute(Q["remove_login"], {"login_key": login_key, "folded": folded})
