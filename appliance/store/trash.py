"""The trash: where its nodes were, and when they came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import queries
from .pools import Connection
from .rows import Rows, ask, ask_one

__all__ = ["Due", "TrashRow", "before", "delete", "insert", "item", "page", "spaces_with_trash"]

Q = queries.load(__file__)


class TrashRow(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    trashed_by: int
    trashed_at: datetime


class Due(NamedTuple):
    node_id: int
    name: str
    kind: str


async def insert(
    conn: Connection,
    space_id: int,
    node_id: int,
    parent_id: int,
    name: str,
    *,
    trashed_by: int,
    now: datetime,
) -> None:
    values = {"space_id": space_id, "node_id": node_id, "parent_id": parent_id, "name": name}
    await conn.execute(Q["insert_trash"], {**values, "trashed_by": trashed_by, "now": now})


async def delete(conn: Connection, space_id: int, node_ids: Sequence[int]) -> None:
    await conn.execute(Q["delete_trash"], {"space_id": space_id, "node_ids": list(node_ids)})


async def item(conn: Connection, space_id: int, node_id: int) -> Rows[TrashRow]:
    values = {"space_id": space_id, "node_id": node_id}
    return await ask(conn, TrashRow, Q["trash_item"], values)


async def page(
    conn: Connection, space_id: int, before: tuple[datetime, int], limit: int
) -> Rows[TrashRow]:
    values = {"space_id": space_id, "before_at": before[0], "before_node": before[1]}
    return await ask(conn, TrashRow, Q["trash_page"], {**values, "limit": limit})


async def before(conn: Connection, space_id: int, time: datetime, limit: int) -> Rows[Due]:
    values = {"space_id": space_id, "before": time, "limit": limit}
    return await ask(conn, Due, Q["trash_before"], values)


async def spaces_with_trash(
    conn: Connection, first_key: int, last_key: int, time: datetime, limit: int
) -> Rows[Any]:
    values = {"first_key": first_key, "last_key": last_key, "before": time, "limit": limit}
    return await ask_one(conn, Q["spaces_with_trash"], values)
