"""Statements that travel together, in as few round trips as their answers allow.

psycopg's own BEGIN inside a pipeline waits for its answer, and so does its COMMIT; here both are
statements like any other. A read needs neither: in READ COMMITTED each statement has a snapshot of
its own with or without them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import Error
from psycopg.pq import TransactionStatus

from .pools import Connection

__all__ = ["questions", "transaction"]


@asynccontextmanager
async def transaction(conn: Connection) -> AsyncIterator[None]:
    """One transaction that is a pipeline. It is committed on leaving, with what was sent last."""
    async with _by_hand(conn), conn.pipeline():
        await conn.execute("begin")
        yield
        await conn.execute("commit")


@asynccontextmanager
async def questions(conn: Connection) -> AsyncIterator[None]:
    """A pipeline that only reads, in no transaction."""
    async with _by_hand(conn), conn.pipeline():
        yield


@asynccontextmanager
async def _by_hand(conn: Connection) -> AsyncIterator[None]:
    """The connection goes back as it came, or not at all: whoever has it next relies on it."""
    await conn.set_autocommit(True)
    try:
        yield
    finally:
        try:
            if conn.info.transaction_status != TransactionStatus.IDLE:
                await conn.rollback()
            await conn.set_autocommit(False)
        except Error:
            await conn.close()
