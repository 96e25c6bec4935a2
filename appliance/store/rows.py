"""How a reading function hands over what it asked for.

It returns the cursor, not the rows: several questions asked inside `conn.pipeline()` travel
together, and the first fetch waits for all of them. Outside a pipeline nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncCursor
from psycopg.rows import args_row, scalar_row

from .pools import Connection

__all__ = ["Rows", "ask", "ask_one"]

T = TypeVar("T")
Rows = AsyncCursor


async def ask(
    conn: Connection, row: type[T], sql: LiteralString, values: Mapping[str, Any]
) -> Rows[T]:
    """Each row becomes `row(*columns)`."""
    return await conn.cursor(row_factory=args_row(row)).execute(sql, values)


async def ask_one(conn: Connection, sql: LiteralString, values: Mapping[str, Any]) -> Rows[Any]:
    """Each row is its first column."""
    return await conn.cursor(row_factory=scalar_row).execute(sql, values)
