"""What is told as done is on a standby, and a server that isn't the primary is left at once.

A Postgres of these tests' own names a synchronous standby that there isn't: every COMMIT that wrote
anything waits for it, until it is cancelled or the name is taken away.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.errors import DatabaseUnavailable
from appliance.services.changing import Changer
from appliance.services.commits import Commits
from appliance.services.moves import Moves
from appliance.settings import Database
from appliance.store import pools, spaces
from appliance.store.migrate import migrate
from appliance.store.pools import Connection, Stores
from appliance.wire.nodes import Copy

from . import postgres
from .drawing import Drawer
from .homes import Home, MovableClock
from .postgres import Cluster

KEY = 1
MESSAGE = "select pg_logical_emit_message(true, 'test', '')"
INSERT = "insert into notes values (%s) on conflict do nothing returning word"


@pytest.fixture(scope="module")
def lonely() -> Iterator[Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture
def dsn(lonely: Cluster) -> str:
    dsn = lonely.create(f"lonely_{secrets.token_hex(4)}")
    migrate(dsn)
    with psycopg.connect(dsn) as conn:
        conn.execute("create table notes (word text primary key)")
    return dsn


@pytest.fixture
async def stores(dsn: str) -> AsyncIterator[Stores]:
    async with Stores.open((Database("lonely", dsn, dsn, 0, 65535),), size=4) as stores:
        yield stores


class Operator:
    """Stands beside the application, and waits for no standby."""

    def __init__(self, conn: Connection, dsn: str) -> None:
        self._conn, self._dsn = conn, dsn

    async def want_standby(self, name: str) -> None:
        await self._conn.execute(f"alter system set synchronous_standby_names = '{name}'")
        await self._conn.execute("select pg_reload_conf()")
        if not name:
            return
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as probe:
            while True:  # the server's processes learn of it one after the other
                asked = asyncio.create_task(probe.execute(MESSAGE))
                await asyncio.wait([asked], timeout=0.1)
                if asked.done():
                    continue
                await self.cancel(probe.info.backend_pid)
                await asked
                return

    async def waiting(self, or_done: asyncio.Future[Any] | None = None) -> list[int]:
        """The sessions whose COMMIT waits, once there is one."""
        for _ in range(200):
            found = await self._conn.execute(
                "select pid from pg_stat_activity where wait_event = 'SyncRep'"
            )
            pids = [pid for (pid,) in await found.fetchall()]
            if pids or (or_done is not None and or_done.done()):
                return pids
            await asyncio.sleep(0.05)
        raise AssertionError("no COMMIT waits for a standby")

    async def cancel(self, pid: int) -> None:
        await self._conn.execute("select pg_cancel_backend(%s)", (pid,))

    async def cancel_the_wait(self) -> None:
        for pid in await self.waiting():
            await self.cancel(pid)

    async def refuse_writes(self, refuse: str) -> None:
        name = sql.Identifier(conninfo_to_dict(self._dsn)["dbname"])
        await self._conn.execute(
            sql.SQL("alter database {} set default_transaction_read_only = {}").format(
                name, sql.Literal(refuse)
            )
        )

    async def notes(self) -> list[str]:
        found = await self._conn.execute("select word from notes")
        return [word for (word,) in await found.fetchall()]


@pytest.fixture
async def operator(dsn: str) -> AsyncIterator[Operator]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        await conn.execute("set synchronous_commit = local")
        operator = Operator(conn, dsn)
        yield operator
        await operator.want_standby("")


class Note:
    """Writes a word once, and remembers what each attempt found."""

    def __init__(self, word: str) -> None:
        self.word, self.calls, self.attempts = word, 0, list[str]()

    async def __call__(self, conn: Connection) -> str:
        self.calls += 1
        written = await (await conn.execute(INSERT, (self.word,))).fetchone()
        self.attempts.append("written" if written else "found")
        return self.word


async def test_a_cancelled_wait_is_not_done(stores: Stores, operator: Operator) -> None:
    async def write() -> None:
        async with stores.tx(KEY) as conn:
            await conn.execute(INSERT, ("w",))

    await operator.want_standby("missing")
    writing = asyncio.create_task(write())
    await operator.cancel_the_wait()
    with pytest.raises(DatabaseUnavailable) as problem:
        await writing
    assert problem.value.__cause__.sqlstate == "40003"
    assert await operator.notes() == ["w"], "the primary has it: unknown, not undone"


async def test_a_repetition_that_finds_the_write_waits_for_the_standby_all_the_same(
    stores: Stores, operator: Operator
) -> None:
    await operator.want_standby("missing")
    note = Note("w")
    writing = asyncio.create_task(stores.run(KEY, note))
    await operator.cancel_the_wait()
    while note.attempts != ["written", "found"]:
        await asyncio.sleep(0.01)
    assert await operator.waiting()
    assert not writing.done()
    await operator.want_standby("")
    assert await writing == "w"
    assert await operator.notes() == ["w"]


async def test_waits_cancelled_again_and_again_are_unavailable(
    stores: Stores, operator: Operator
) -> None:
    await operator.want_standby("missing")
    note = Note("w")
    writing = asyncio.create_task(stores.run(KEY, note))
    while not writing.done():
        for pid in await operator.waiting(or_done=writing):
            await operator.cancel(pid)
    with pytest.raises(DatabaseUnavailable):
        await writing
    assert note.attempts == ["written", *["found"] * 4]


async def test_no_commit_waits_for_ever(
    stores: Stores, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """statement_timeout doesn't end the wait of a COMMIT."""
    monkeypatch.setattr(pools, "_TRANSACTION_SECONDS", 0.5)
    await operator.want_standby("missing")
    note = Note("w")
    with pytest.raises(DatabaseUnavailable):
        await stores.run(KEY, note)
    assert note.attempts == ["written"]
    await operator.want_standby("")
    assert await stores.run(KEY, note) == "w"
    assert note.attempts == ["written", "found"], "on a connection in order"


async def test_an_answer_kept_by_its_key_waits_for_the_standby_too(
    stores: Stores, operator: Operator, ids_of_session, clock, limits
) -> None:
    """The process that wrote it may be gone; what it wrote may be on the primary alone."""
    changer = Changer(stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits)
    draw = Drawer(stores, ids_of_session, clock, Commits(changer=changer, limits=limits))
    home = await _home(stores, clock)
    moves = Moves(changer=changer, limits=limits)
    a = await draw.file(home, "a")

    async def copy() -> None:
        await moves.copy(home.caller, a.node, Copy(parent=home.root, name="b"), "key")

    await copy()
    await operator.want_standby("missing")
    again = asyncio.create_task(copy())
    assert await operator.waiting()
    assert not again.done()
    await operator.want_standby("")
    await again


async def test_a_server_that_refuses_writes_is_left_by_every_connection(
    dsn: str, operator: Operator
) -> None:
    """Sessions keep the setting they began with, as those of a demoted primary do."""
    await operator.refuse_writes("on")
    async with Stores.open((Database("lonely", dsn, dsn, 0, 65535),), size=4) as stores:
        with pytest.raises(DatabaseUnavailable) as problem:
            await stores.run(KEY, Note("early"))
        assert problem.value.__cause__.sqlstate == "25006"

        async def hold(conn: Connection) -> None:
            await conn.execute("select pg_sleep(0.5)")

        await asyncio.gather(*(stores.look(KEY, hold) for _ in range(4)))
        await operator.refuse_writes("off")
        notes = [Note(f"w{n}") for n in range(4)]
        for note in notes:
            await stores.run(KEY, note)
        assert [note.calls for note in notes] == [2, 1, 1, 1]
    assert await operator.notes() == ["w0", "w1", "w2", "w3"]


async def test_a_database_without_room_is_unavailable_and_not_asked_again(stores: Stores) -> None:
    calls = 0

    async def spill(conn: Connection) -> None:
        nonlocal calls
        calls += 1
        await conn.execute("set local temp_file_limit = 0; set local work_mem = '64kB'")
        await conn.execute("select n from generate_series(1, 100000) n order by n desc")

    with pytest.raises(DatabaseUnavailable) as problem:
        await stores.run(KEY, spill)
    assert problem.value.__cause__.sqlstate == "53400"
    assert calls == 1


async def _home(stores: Stores, clock: MovableClock) -> Home:
    space_id, user_id = (ids.new_key(secrets.randbits) for _ in range(2))
    async with stores.tx(space_id) as conn:
        await spaces.create(
            conn, space_id, user_id, quota_bytes=1 << 30, versions_kept=9, now=clock.now()
        )
    return Home(Caller(user_id, 1, space_id, "user", "someone", "test"), space_id, 1 << 30)
