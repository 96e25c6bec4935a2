"""Round trips, counted on the wire; and connections that come back as they went."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from appliance.services.changing import Changer
from appliance.services.commits import Commits
from appliance.services.files import Files
from appliance.settings import Database
from appliance.store import pipelines
from appliance.store.pools import Connection, Stores

from .drawing import Drawer


class Wire:
    """Between us and Postgres; a round trip is an answer that comes after something was asked."""

    def __init__(self) -> None:
        self.trips = 0
        self._asked = False

    def saw(self, answer: bool) -> None:
        self.trips += answer and self._asked
        self._asked = not answer

    @asynccontextmanager
    async def before(self, database: Database) -> AsyncIterator[Database]:
        there = conninfo_to_dict(database.write_dsn)

        async def pump(
            source: asyncio.StreamReader, sink: asyncio.StreamWriter, answer: bool
        ) -> None:
            while data := await source.read(1 << 16):
                self.saw(answer)
                sink.write(data)
            sink.close()

        async def relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            answers, questions = await asyncio.open_connection(there["host"], there["port"])
            await asyncio.gather(pump(source, questions, False), pump(answers, sink, True))

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        dsn = make_conninfo(database.write_dsn, port=port)
        yield Database(database.name, dsn, dsn, 0, 65535)
        server.close()


@pytest.fixture
async def watched(databases: tuple[Database, ...]) -> AsyncIterator[tuple[Wire, Stores]]:
    wire = Wire()
    async with wire.before(databases[0]) as database, Stores.open((database,), size=1) as stores:
        yield wire, stores


async def test_a_commit_takes_two_round_trips_and_a_read_two(
    watched: tuple[Wire, Stores], new_home, ids_of_session, clock, limits
) -> None:
    wire, stores = watched
    home = await new_home(half=0)
    changer = Changer(stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits)
    draw = Drawer(stores, ids_of_session, clock, Commits(changer=changer, limits=limits))
    files = Files(stores=stores, clock=clock)
    for name in ("a", "b", "c", "d"):  # the first ones also prepare their statements
        upload = await draw.blob(home)
        before = wire.trips
        outcome = await draw.file(home, name, upload=upload)
        assert outcome.status == "created"
        written = wire.trips
        assert (await files.node(home.caller, outcome.node)).name == name
        read = wire.trips
    assert (written - before, read - written) == (2, 2)


async def test_what_fails_half_way_is_rolled_back_and_leaves_the_connection_as_it_was(
    watched: tuple[Wire, Stores], new_home
) -> None:
    _, stores = watched
    home = await new_home(half=0)

    async def used(conn: Connection) -> int:
        rows = await conn.execute(
            "select used_bytes from spaces where space_id = %s", (home.space_id,)
        )
        return int((await rows.fetchone())[0])

    async def spend(conn: Connection, then: str) -> None:
        async with pipelines.transaction(conn):
            await conn.execute(
                "update spaces set used_bytes = 5 where space_id = %s", (home.space_id,)
            )
            if then == "ours":
                raise ValueError(then)
            await conn.execute("select 1 / 0" if then == "theirs" else "select pg_sleep(10)")

    async with stores.tx(home.space_id) as conn:
        process = conn.info.backend_pid
    for then, error in (("ours", ValueError), ("theirs", psycopg.errors.DivisionByZero)):
        with pytest.raises(error):
            await stores.run(home.space_id, lambda conn, then=then: spend(conn, then))
        async with stores.tx(home.space_id) as conn:
            assert (conn.info.backend_pid, conn.autocommit) == (process, False)
            assert await used(conn) == 0
    stopped = asyncio.create_task(stores.run(home.space_id, lambda conn: spend(conn, "wait")))
    await asyncio.sleep(0.2)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    async with stores.tx(home.space_id) as conn:
        assert not conn.autocommit
        assert await used(conn) == 0
