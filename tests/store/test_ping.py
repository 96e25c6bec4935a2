"""The database is asked whether it is there; connections that were cut meanwhile don't count."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import psycopg
import pytest

from appliance.domain.errors import DatabaseUnavailable
from appliance.settings import Database
from appliance.store.pools import Stores

from .postgres import Cluster

_IDLE = 4
_CUT = (
    "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid()"
)


@pytest.fixture
def dsn(cluster: Cluster) -> str:
    return cluster.create(f"ping_{secrets.token_hex(4)}")


@pytest.fixture
async def stores(dsn: str) -> AsyncIterator[Stores]:
    async with Stores.open((Database("pinged", dsn, dsn, 0, 65535),), size=_IDLE) as stores:
        yield stores


async def _fill(stores: Stores) -> None:
    """Every connection the pool may have is open, and idle again."""

    async def hold(conn: psycopg.AsyncConnection[object]) -> None:
        await conn.execute("select pg_sleep(0.3)")

    await asyncio.gather(*(stores.look(1, hold) for _ in range(_IDLE)))


async def test_cut_connections_do_not_make_a_database_unavailable(stores: Stores, dsn: str) -> None:
    await _fill(stores)
    await stores.ping()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as beside:
        (cut,) = await (await beside.execute(_CUT)).fetchone() or (0,)
    assert cut >= _IDLE
    async with asyncio.timeout(3):  # what the gateway's readiness allows
        await stores.ping()


async def test_a_connection_that_was_cut_while_idle_is_not_used(stores: Stores, dsn: str) -> None:
    """Nothing is repeated here: what a request that may not be repeated meets."""
    await _fill(stores)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as beside:
        (cut,) = await (await beside.execute(_CUT)).fetchone() or (0,)
    assert cut >= _IDLE

    async def once() -> None:
        async with stores.tx(1) as conn:
            await conn.execute("select 1")

    async with asyncio.timeout(3):
        await asyncio.gather(*(once() for _ in range(2 * _IDLE)))


async def test_a_database_that_lets_nobody_in_is_unavailable(
    stores: Stores, dsn: str, cluster: Cluster
) -> None:
    """Nor does a repetition hide one that went away."""
    await stores.ping()
    name = dsn.rpartition("=")[2]
    async with await psycopg.AsyncConnection.connect(cluster.dsn(), autocommit=True) as beside:
        await beside.execute(f"alter database {name} with allow_connections false")
        await beside.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
    with pytest.raises((DatabaseUnavailable, TimeoutError)):
        async with asyncio.timeout(3):
            await stores.ping()
