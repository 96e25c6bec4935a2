"""What lookups cost once a table has grown that was nearly empty when they were planned.

Counted in pages of 8 KiB that a statement touches, as Postgres tells: an index probe touches a
handful, a read of a whole table or of a whole space hundreds.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import sql

from appliance.settings import Database
from appliance.store import blobs, nodes, uploads, versions
from appliance.store.migrate import migrate
from appliance.store.pools import Connection, Stores

from .postgres import Cluster

SPACE = (1 << 47) + 77
FILES = 30_000
WANTED = 50
PAGES_A_ROW = 25  # four tables by probes of three or four pages each, and the way up

_FILL = (
    "insert into nodes select %(space)s, 1000000 + i, 1, 'n' || i, 'n' || i, 'file', 0,"
    " 2000000 + i, 5, 0, 0, null, 1, now()"
    " from generate_series(%(first)s::integer, %(last)s::integer) i",
    "insert into versions select %(space)s, 2000000 + i, 1000000 + i, 3000000 + i, 5, null, 0, 0,"
    " 1, 'd', now() from generate_series(%(first)s::integer, %(last)s::integer) i",
    "insert into uploads (space_id, upload_id, author_user_id, fingerprint, class, size,"
    " chunk_list, chunk_count, method, object_key, state, reserved_bytes, active_at,"
    " url_expires_at, created_at)"
    " select %(space)s, 4000000 + i, 1, int8send(i), 0, 5, '', 1, 'single', 'k' || i, 'purged', 5,"
    " now(), '2025-01-01', now() from generate_series(%(first)s::integer, %(last)s::integer) i",
    "insert into blobs (space_id, blob_id, object_key, stored_size, raw_size, class, chunk_list,"
    " fingerprint, proven, author_user_id, state, charged, fresh_until, created_at)"
    " select %(space)s, 3000000 + i, 'k' || i, 5, 5, 0, '', int8send(i), true, 1, 'live', true,"
    " now(), now() from generate_series(%(first)s::integer, %(last)s::integer) i",
)
_LAST = range(FILES - WANTED, FILES)
NODES = [1000000 + i for i in _LAST]
KEYS = [f"k{i}" for i in _LAST]
BLOBS = [3000000 + i for i in _LAST]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOKUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "ancestors": (nodes.Q["ancestors"], {"node_ids": NODES}),
    "nodes_by_id": (nodes.Q["nodes_by_id"], {"node_ids": NODES}),
    "named": (
        nodes.Q["named"],
        {"parent_ids": [1] * WANTED, "names": [f"n{i}" for i in _LAST]},
    ),
    "at_path": (nodes.Q["at_path"], {"names": [f"n{FILES - 1}"]}),
    "content_of_nodes": (
        blobs.Q["content_of_nodes"],
        {
            "places": list(range(WANTED)),
            "node_ids": NODES,
            "version_ids": [None] * WANTED,
            "chunk_bytes": 640,
        },
    ),
    "usable_blobs": (versions.Q["usable_blobs"], {"blob_ids": BLOBS}),
    "blobs_of_keys": (blobs.Q["blobs_of_keys"], {"object_keys": KEYS}),
    "explained_keys": (uploads.Q["explained_keys"], {"object_keys": KEYS}),
    "blobs_by_ids": (blobs.Q["blobs_by_ids"], {"blob_ids": BLOBS}),
    "usable_by_fingerprints": (
        blobs.Q["usable_by_fingerprints"],
        {"fingerprints": [i.to_bytes(8, "big") for i in _LAST], "author": 1, "now": NOW},
    ),
}


@pytest.fixture
async def young(cluster: Cluster) -> AsyncIterator[Stores]:
    """Tables that were analyzed with one row in them, and not since."""
    dsn = cluster.create("plans")
    migrate(dsn)
    async with Stores.open((Database("plans", dsn, dsn, 0, 65535),)) as stores:
        async with stores.tx(SPACE) as conn:
            for table in ("spaces", "nodes", "versions", "blobs", "uploads"):
                name = sql.Identifier(table)
                off = sql.SQL("alter table {} set (autovacuum_enabled = off)").format(name)
                await conn.execute(off)
            await conn.execute(
                "insert into spaces values (%s, 1, 'personal', 1, 1, 1, 1, 9, 0, now())", (SPACE,)
            )
            await conn.execute(
                "insert into nodes select %s, 1, 0, '', '', 'folder', 0, null, 0, 0, 0, null, 1,"
                " now()",
                (SPACE,),
            )
            await fill(conn, 1, 1)
            await conn.execute("analyze")
        yield stores


async def fill(conn: Connection, first: int, last: int) -> None:
    for statement in _FILL:
        await conn.execute(statement, {"space": SPACE, "first": first, "last": last})


async def prepare(conn: Connection, name: str) -> None:
    """As psycopg prepares it, under a name that EXPLAIN can be asked about."""
    text, _ = LOOKUPS[name]
    places = {key: f"${n}" for n, key in enumerate(order(text), 1)}
    numbered = re.sub(r"%\((\w+)\)s", lambda found: places[found[1]], text)
    await conn.execute(f"prepare {name} as {numbered.rstrip().rstrip(';')}".encode())


def order(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))


async def pages(conn: Connection, name: str) -> tuple[int, int]:
    """Rows that it found, pages that it touched."""
    text, values = LOOKUPS[name]
    given = [{"space_id": SPACE, **values}[key] for key in order(text)]
    asked = sql.SQL("explain (analyze, buffers, format json) execute {} ({})").format(
        sql.Identifier(name), sql.SQL(", ").join(map(sql.Literal, given))
    )
    answer = await (await conn.execute(asked)).fetchone()
    assert answer is not None
    plan = answer[0][0]["Plan"]
    return plan["Actual Rows"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


async def test_lookups_stay_probes_when_the_tables_grow(young: Stores) -> None:
    costs: dict[str, tuple[int, int]] = {}
    async with young.tx(SPACE) as conn:
        for mode in ("force_generic_plan", "force_custom_plan"):
            await conn.execute(f"set plan_cache_mode = {mode}".encode())
            for name in LOOKUPS:
                if mode == "force_generic_plan":
                    await prepare(conn, name)
                await pages(conn, name)
            if mode == "force_generic_plan":
                await fill(conn, 2, FILES)
            for name in LOOKUPS:
                costs[f"{name}, {mode}"] = await pages(conn, name)
    assert all(found for found, _ in costs.values()), costs
    dear = {name: cost for name, cost in costs.items() if cost[1] > WANTED * PAGES_A_ROW}
    assert dear == {}
