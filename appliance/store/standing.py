"""What a primary says of itself and its standbys: for the doctor, on a connection of its own.

Pools repeat for half a minute what this wants to know at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from appliance.domain.errors import DatabaseUnavailable
from appliance.settings import Database

__all__ = ["Standby", "Standing", "ask"]

_SELF = """
select extract(epoch from clock_timestamp())::float8, pg_is_in_recovery(),
       current_setting('synchronous_standby_names'), current_setting('server_version'),
       coalesce(host(inet_server_addr()), '')"""
# Only who may read all statistics sees more than that there is one.
_STANDBYS = """
select coalesce(application_name, ''), coalesce(state, ''), coalesce(sync_state, ''),
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint
from pg_stat_replication order by 1"""


@dataclass(frozen=True, slots=True)
class Standby:
    """`state` and `sync_state` as pg_stat_replication has them, "" where they aren't shown; `lag`
    in bytes of the log not yet replayed."""

    name: str
    state: str
    sync_state: str
    lag: int


@dataclass(frozen=True, slots=True)
class Standing:
    """`ahead`: seconds by which its clock is before ours. `synchronous`: the setting
    synchronous_standby_names; empty where no COMMIT waits for anybody. `address`: the server's own,
    also behind a balancer; "" by a socket in a folder."""

    version: str
    replica: bool
    ahead: float
    synchronous: str
    standbys: tuple[Standby, ...]
    address: str = ""


async def ask(database: Database, seconds: float) -> Standing:
    """Also whether the way to the replicas leads anywhere. Raises DatabaseUnavailable, whose text
    holds no secret."""
    patience = max(2, round(seconds))  # libpq takes 1 for 2
    try:
        if database.read_dsn != database.write_dsn:
            async with await psycopg.AsyncConnection.connect(
                database.read_dsn, connect_timeout=patience
            ) as conn:
                await conn.execute("select 1")
        async with await psycopg.AsyncConnection.connect(
            database.write_dsn, connect_timeout=patience
        ) as conn:
            began = time.time()
            found = await (await conn.execute(_SELF)).fetchone()
            now = (began + time.time()) / 2
            assert found is not None, "a select without a table has one row"
            clock, replica, synchronous, version, address = found
            rows = [] if replica else await (await conn.execute(_STANDBYS)).fetchall()
    except psycopg.Error as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DatabaseUnavailable(why) from error
    standbys = tuple(Standby(*row) for row in rows)
    return Standing(version.split()[0], replica, clock - now, synchronous, standbys, address)
