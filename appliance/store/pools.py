"""Connections and transactions: `tx(key)`, `read(key)`, `run(key, work)`.

The driver's errors end here: a database that can't be reached, or refuses for a passing reason
more often than it is retried, is DatabaseUnavailable. A write whose COMMIT got no answer is
unknown, not done: `run` repeats it only because every write carries an idempotency key or a
compare-and-swap of its own (sharding.md, rule 7).

While no standby is there, a COMMIT waits for one without end and statement_timeout doesn't hold
for it, so the time of a whole transaction is limited here. A COMMIT whose wait was cancelled is
answered as done, with a WARNING: it is on the primary alone, and gone when that host is. It counts
as unknown, too. So does what a crashed primary brings back when it restarts. A repetition may find
such a write and have nothing left to write, and a COMMIT of nothing waits for no standby: therefore
it writes a message of its own to the log, behind the first write, and that one must be confirmed
before anybody is told.
"""

from __future__ import annotations

import asyncio
import random
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from appliance.domain.errors import DatabaseUnavailable
from appliance.settings import Database

from .routing import SlotMap

__all__ = ["Connection", "Stores", "is_passing"]

Connection = AsyncConnection[Any]
Pool = AsyncConnectionPool[Connection]
T = TypeVar("T")

_STATEMENT_TIMEOUT = "30s"  # none of ours takes a second; one that does must not pile up
_CANCELLED = "57014"
_WARNING = "01000"
_NO_ROOM = "53"  # disk, memory, connections: nothing that a repetition within a second changes
_PASSING = frozenset(
    {"40001", "40003", "40P01", "55P03", "57P01", "57P02", "57P03", "25006", "XX000"}
)
_ATTEMPTS = 5
_WAIT_SECONDS = 5.0
_TRANSACTION_SECONDS = 30.0
_RECONNECT_SECONDS = 4.0  # the pool's pauses double: a longer row of them sleeps past a fail-over
_CONFIRM = "select pg_logical_emit_message(true, 'stowbay', '')"


def is_passing(error: psycopg.Error) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate in _PASSING or error.sqlstate.startswith("08")


def _is_cut(error: psycopg.Error) -> bool:
    """Whether the connection itself is gone, and likely its neighbours too."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


class Stores:
    """Pools of each database, one for writes (the primary) and one for reads (standbys first)."""

    def __init__(self, slots: SlotMap, size: int) -> None:
        self._slots = slots
        self._checks: dict[Pool, asyncio.Task[None]] = {}
        self._write = {d.name: _pool(d.write_dsn, size) for d in slots.databases}
        self._read = {
            d.name: self._write[d.name] if d.read_dsn == d.write_dsn else _pool(d.read_dsn, size)
            for d in slots.databases
        }

    @classmethod
    @asynccontextmanager
    async def open(cls, databases: Sequence[Database], size: int = 16) -> AsyncIterator[Stores]:
        """Opens the pools without waiting: a database that is down is found by its first use."""
        stores = cls(SlotMap.of(databases), size)
        async with AsyncExitStack() as stack:
            for pool in {
                id(p): p for p in (*stores._write.values(), *stores._read.values())
            }.values():
                await pool.open(wait=False)
                stack.push_async_callback(pool.close, 5.0)
            yield stores

    @asynccontextmanager
    async def tx(self, key: int) -> AsyncIterator[Connection]:
        """A write transaction on the primary that holds the key; commits on leaving."""
        async with _borrowed(self._write[self._slots.name_of(key)]) as conn:
            yield conn

    @asynccontextmanager
    async def read(self, key: int) -> AsyncIterator[Connection]:
        """A connection that may be a replica's and be behind: compare the space's seq."""
        async with _borrowed(self._read[self._slots.name_of(key)]) as conn:
            yield conn

    async def run(self, key: int, work: Callable[[Connection], Awaitable[T]]) -> T:
        """`work` as one write transaction, repeated with jitter while its failure is passing."""
        return await self._repeat(self._write[self._slots.name_of(key)], work, writes=True)

    async def look(self, key: int, work: Callable[[Connection], Awaitable[T]]) -> T:
        """`run` for reads, which may go to a replica."""
        return await self._repeat(self._read[self._slots.name_of(key)], work, writes=False)

    async def confirm(self, key: int) -> None:
        """What the primary shows of the key survives it once this is back: for answers that tell
        of an earlier write and write nothing themselves."""
        await self.run(key, lambda conn: conn.execute(_CONFIRM))

    async def _repeat(
        self, pool: Pool, work: Callable[[Connection], Awaitable[T]], *, writes: bool
    ) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                async with _borrowed(pool) as conn:
                    result = await work(conn)
                    if attempt and writes:
                        await conn.execute(_CONFIRM)
                return result
            except DatabaseUnavailable as problem:
                cause = problem.__cause__
                if not isinstance(cause, psycopg.Error) or not is_passing(cause):
                    raise
                if attempt == _ATTEMPTS - 1:
                    raise
                if _is_cut(cause):
                    await self._check(pool)
            await asyncio.sleep(random.uniform(0.01, 0.05) * 2**attempt)
        raise AssertionError("unreachable")

    async def _check(self, pool: Pool) -> None:
        """After a restart of the database every idle connection is dead: find them all at once,
        not by one failed request each."""
        running = self._checks.get(pool)
        if running is None or running.done():
            running = self._checks[pool] = asyncio.create_task(pool.check())
        await asyncio.wait([running], timeout=1.0)

    async def ping(self) -> None:
        """One trivial query on every primary, repeated as reads are: an idle connection that was
        cut (HAProxy reloaded, a switchover) says nothing of the database. Raises
        DatabaseUnavailable, some 25 s late when nothing listens."""
        for database in self._slots.databases:
            await self._repeat(
                self._write[database.name], lambda conn: conn.execute("select 1"), writes=False
            )


@asynccontextmanager
async def _borrowed(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose transaction is committed, and known to be, when this ends.

    A refusal to write (25006) means that the server isn't the primary any more, and that the pool's
    idle connections lead there, too: none of them is used again.
    """
    warned = False

    def note(notice: errors.Diagnostic) -> None:  # it can be read here, not later
        nonlocal warned
        warned = warned or notice.sqlstate == _WARNING

    async with _unavailable(), _lent(pool) as conn:
        conn.add_notice_handler(note)
        try:
            async with asyncio.timeout(_TRANSACTION_SECONDS) as limit:
                yield conn
                await conn.commit()
        except errors.ReadOnlySqlTransaction:
            await pool.drain()
            raise
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DatabaseUnavailable("the database does not answer", retry_after=5) from error
        finally:
            conn.remove_notice_handler(note)
        if warned:
            raise errors.StatementCompletionUnknown("no standby has confirmed this COMMIT")


@asynccontextmanager
async def _lent(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that wasn't closed while it lay in the pool, as all are when HAProxy is reloaded
    or the database restarts. The pool's own check asks the server each time, and pauses before it
    looks at the next one."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _WAIT_SECONDS
    while _has_ended(conn := await pool.getconn(until - loop.time())):
        await conn.close()
        await pool.putconn(conn)
    try:
        async with conn:
            yield conn
    finally:
        await pool.putconn(conn)


def _has_ended(conn: Connection) -> bool:
    """Without a round trip: a server says nothing to an idle connection but that it closes it."""
    if conn.closed:
        return True
    waiting = select.poll()
    waiting.register(conn.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


@asynccontextmanager
async def _unavailable() -> AsyncIterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("the database does not answer", retry_after=2) from error
    except psycopg.Error as error:
        if error.sqlstate == _CANCELLED:
            raise DatabaseUnavailable("this took the database too long", retry_after=5) from error
        if (error.sqlstate or "").startswith(_NO_ROOM):
            raise DatabaseUnavailable("the database has no room left", retry_after=5) from error
        if is_passing(error):
            raise DatabaseUnavailable("the database refused for now", retry_after=1) from error
        raise


def _pool(dsn: str, size: int) -> AsyncConnectionPool[Connection]:
    return AsyncConnectionPool(
        dsn,
        kwargs={"row_factory": namedtuple_row, "connect_timeout": 5},
        min_size=1,
        max_size=size,
        open=False,
        reconnect_timeout=_RECONNECT_SECONDS,
        check=None,
        configure=_configure,
    )


async def _configure(conn: Connection) -> None:
    conn.prepare_threshold = 2
    # Each of our queries binds an index's first columns. Planned while a table is nearly empty, a
    # scan of it looks cheaper, and a prepared plan stays when the table has grown. And compiling
    # any of them costs a hundred times what running it does.
    await conn.execute(
        f"set statement_timeout = '{_STATEMENT_TIMEOUT}';"
        " set enable_seqscan = off; set enable_bitmapscan = off; set jit = off"
    )
    await conn.commit()
