"""A primary and a standby of the test's own, and what the doctor says of them; queues that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg

from appliance.doctor import database, queues
from appliance.settings import Database, Limits
from appliance.store import removal
from appliance.store.migrate import migrate
from appliance.store.pools import Stores
from appliance.store.queues import Waiting

from . import postgres
from .homes import Home
from .postgres import Cluster


async def _said(told: Database, stores: Stores) -> list[str]:
    facts = await database.look(told, stores, 2.0)
    lines = database.judge([facts])
    if facts.standing is not None:
        lines += database.judge_replication(told.name, told.standbys, facts.standing)
    return [line.code for line in lines]


async def _until(codes: list[str], ask: Callable[[], Awaitable[list[str]]]) -> None:
    deadline = time.monotonic() + 30
    while (found := await ask()) != codes:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


def _sql(cluster: Cluster, *statements: str) -> None:
    with psycopg.connect(cluster.dsn(), autocommit=True) as conn:
        for each in statements:
            conn.execute(each)  # type: ignore[call-overload]


async def test_a_standby_comes_lags_and_is_lost() -> None:
    with postgres.running() as primary:
        dsn = primary.create("standing")
        migrate(dsn)
        told = Database("shard1", dsn, dsn, standbys=1)
        async with Stores.open((told,)) as stores:

            async def ask() -> list[str]:
                return await _said(told, stores)

            assert await ask() == ["database.ok", "replication.no-synchronous"]
            alone = Database("shard1", dsn, dsn)
            assert await _said(alone, stores) == ["database.ok", "replication.single"]
            with postgres.standby_of(primary, "c2") as standby:
                _sql(primary, "alter system set synchronous_standby_names = '*'",
                     "select pg_reload_conf()")  # fmt: skip
                await _until(["database.ok", "replication.ok"], ask)
                wanted = Database("shard1", dsn, dsn, standbys=2)
                assert await _said(wanted, stores) == ["database.ok", "replication.missing"]

                reads = Database("shard1", dsn, standby.dsn("standing"), standbys=1)
                assert await _said(reads, stores) == ["database.ok", "replication.ok"]
                lost = Database("shard1", standby.dsn("standing"), dsn)
                assert (await _said(lost, stores))[0] == "database.no-writes"

                _sql(primary, "create role stowbay_reader login")
                reader = f"{dsn} user=stowbay_reader"
                hidden = Database("shard1", reader, reader, standbys=1)
                assert await _said(hidden, stores) == ["database.ok", "replication.hidden"]
                _sql(primary, "grant pg_read_all_stats to stowbay_reader")
                assert await _said(hidden, stores) == ["database.ok", "replication.ok"]

                _sql(standby, "select pg_wal_replay_pause()")
                # Each switch leaves the rest of a segment of 16 MiB behind.
                switch = ("select pg_logical_emit_message(false, '', '')", "select pg_switch_wal()")
                _sql(primary, *switch * 5)
                await _until(["database.ok", "replication.lag"], ask)
            # A COMMIT waits for nobody now, and says so here in two seconds.
            await _until(["database.no-writes", "replication.no-synchronous"], ask)
        nothing = Database("shard1", f"{dsn} port=1", dsn)
        assert await _said(nothing, stores) == ["database.unreachable"]


async def test_what_waits_is_counted(
    stores: Stores, new_home: Callable[..., Awaitable[Home]]
) -> None:
    now, limits = datetime.now(UTC), Limits()
    before = await queues.look(stores, limits, now)
    home = await new_home()
    space = home.space_id
    late = now - timedelta(seconds=limits.trash_seconds) - timedelta(days=2)
    async with stores.tx(space) as conn:
        for statement in (
            "update spaces set created_at = %(late)s where space_id = %(space)s",
            "insert into trash values (%(space)s, 9, 1, 'x', 1, %(late)s)",
            "insert into outbox values (%(space)s, 1, 'none', 1, '{}', %(late)s)",
            "insert into uploads values (%(space)s, 5, 1, '', 0, 1, null, '', 1, 'single', 'k',"
            " null, 'completing', 0, null, 0, %(late)s, %(late)s, %(late)s)",
            "insert into blobs (space_id, blob_id, object_key, stored_size, raw_size, class,"
            " chunk_list, fingerprint, proven, author_user_id, state, charged, fresh_until,"
            " dying_at, created_at) values (%(space)s, 5, 'k', 1, 1, 0, '', '', true, 1, 'dying',"
            " false, %(late)s, %(late)s, %(late)s)",
        ):
            await conn.execute(statement, {"space": space, "late": late})
    found = await queues.look(stores, limits, now)
    assert found == before + Waiting(1, 1, 1, 1, 1)
    # The doctor's own account goes so: whatever is in a space, all of it is gone.
    async with stores.tx(space) as conn:
        await removal.remove_space(conn, space)
    assert await queues.look(stores, limits, now) == before


async def test_a_space_is_removed_from_every_table(
    stores: Stores, new_home: Callable[..., Awaitable[Home]]
) -> None:
    """Also from tables that come later: the catalogue says which there are."""
    home = await new_home()
    async with stores.tx(home.space_id) as conn:
        await removal.remove_space(conn, home.space_id)
        tables = await conn.execute("""
            select table_name as name from information_schema.columns
            where table_schema = 'public' and column_name = 'space_id'""")
        names = {row.name for row in await tables.fetchall()} - {"users"}
    text = removal.Q["remove_space"]
    assert names == {name for name in names if f"delete from {name} where space_id" in text}
    assert len(names) >= 10
