"""Answers kept by Idempotency-Key, written in the transaction of the write they answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from . import queries
from .pools import Connection
from .rows import Rows, ask, ask_one

__all__ = ["StoredAnswer", "expire", "find", "keep", "spaces_with_answers"]

Q = queries.load(__file__)


class StoredAnswer(NamedTuple):
    request_hash: bytes
    answer: Any  # JSON


async def find(conn: Connection, space_id: int, user_id: int, key: str) -> Rows[StoredAnswer]:
    values = {"space_id": space_id, "user_id": user_id, "key": key}
    return await ask(conn, StoredAnswer, Q["stored_answer"], values)


async def keep(
    conn: Connection,
    space_id: int,
    user_id: int,
    key: str,
    request_hash: bytes,
    answer: Any,
    now: datetime,
) -> None:
    values = {"space_id": space_id, "user_id": user_id, "key": key, "request_hash": request_hash}
    await conn.execute(Q["store_answer"], {**values, "answer": Jsonb(answer), "now": now})


async def expire(conn: Connection, space_id: int, before: datetime, limit: int) -> int:
    """How many were deleted, at most `limit`."""
    values = {"space_id": space_id, "before": before, "limit": limit}
    return (await conn.execute(Q["expire_answers"], values)).rowcount


async def spaces_with_answers(
    conn: Connection, first_key: int, last_key: int, before: datetime, limit: int
) -> Rows[Any]:
    values = {"first_key": first_key, "last_key": last_key, "before": before, "limit": limit}
    return await ask_one(conn, Q["spaces_with_answers"], values)
