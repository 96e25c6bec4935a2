"""The journal: what changed in a space, in order.

Each changed node has one row with the next number of its space and a random mark. Rows are only
ever added, in the transaction that made the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import queries
from .pools import Connection
from .rows import Rows, ask, ask_one

__all__ = ["Entry", "JournalRow", "after", "append", "mark_at"]

Q = queries.load(__file__)


class Entry(NamedTuple):
    seq: int
    mark: int
    node_id: int
    change: str
    kind: str
    old_parent: int | None
    new_parent: int | None
    name: str
    version_id: int | None


class JournalRow(NamedTuple):
    seq: int
    mark: int
    node_id: int
    change: str
    kind: str
    old_parent: int | None
    new_parent: int | None
    name: str
    version_id: int | None
    at: datetime


async def append(
    conn: Connection, space_id: int, entries: Sequence[Entry], *, author: int, now: datetime
) -> None:
    columns = (
        "seqs", "marks", "node_ids", "changes", "kinds", "old_parents", "new_parents", "names",
        "version_ids",
    )  # fmt: skip
    arrays = dict(zip(columns, map(list, zip(*entries, strict=True)), strict=True))
    values = {"space_id": space_id, "author": author, "now": now}
    await conn.execute(Q["append_journal"], {**values, **arrays})


async def after(conn: Connection, space_id: int, seq: int, limit: int) -> Rows[JournalRow]:
    values = {"space_id": space_id, "seq": seq, "limit": limit}
    return await ask(conn, JournalRow, Q["journal_after"], values)


async def mark_at(conn: Connection, space_id: int, seq: int) -> Rows[Any]:
    return await ask_one(conn, Q["journal_mark"], {"space_id": space_id, "seq": seq})
