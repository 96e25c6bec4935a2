"""Spaces: made once, however often it is asked for."""

from __future__ import annotations

from appliance.domain import ids
from appliance.store import nodes, spaces
from appliance.store.pools import Stores


async def test_a_space_is_made_once(stores: Stores, home, clock) -> None:
    async with stores.tx(home.space_id) as conn:
        await spaces.create(conn, home.space_id, 7, quota_bytes=1, versions_kept=1, now=clock.now())
    async with stores.read(home.space_id) as conn, conn.pipeline():
        space = await spaces.space(conn, home.space_id)
        root = await nodes.by_id(conn, home.space_id, [ids.ROOT])
        row = await space.fetchone()
        assert row is not None
        assert (row.owner_user_id, row.seq, row.used_bytes) == (home.caller.user_id, 0, 0)
        assert [node.kind for node in await root.fetchall()] == ["folder"]


async def test_halves_lie_in_different_databases(stores: Stores, databases, new_home) -> None:
    low, high = await new_home(half=0), await new_home(half=1)
    async with stores.read(low.space_id) as conn:
        assert await (await spaces.space(conn, low.space_id)).fetchone() is not None
        there = await (await spaces.space(conn, high.space_id)).fetchone()
    assert (there is None) == (len(databases) == 2)
