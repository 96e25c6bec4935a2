"""Leases: one at a time, by the primary's clock; a holder that slept does no harm."""

from __future__ import annotations

import asyncio

import pytest

from appliance.services.changing import Changer
from appliance.services.trash import Trash
from appliance.store import leases
from appliance.workers.holding import Lease, LeaseLostError, held

from .labour import Labour
from .world import File, World


async def test_one_holder_at_a_time_and_growing_fences(world: World) -> None:
    key = world.home.space_id
    async with held(world.stores, key, "j", "a", 60) as first:
        assert first is not None
        async with held(world.stores, key, "j", "b", 60) as second:
            assert second is None
        async with held(world.stores, key, "other", "b", 60) as other:
            assert other is not None
    async with held(world.stores, key, "j", "b", 60) as next_one:
        assert next_one is not None
        assert next_one.fence > first.fence


async def test_a_lease_is_renewed_while_its_holder_works(world: World) -> None:
    key = world.home.space_id
    async with held(world.stores, key, "j", "a", 0.6) as lease:
        await asyncio.sleep(1.5)
        await world.stores.run(key, lease.guard)
        async with held(world.stores, key, "j", "b", 0.6) as second:
            assert second is None


async def test_an_old_holder_is_refused_even_before_anyone_took_over(world: World) -> None:
    key = world.home.space_id
    fence = await world.stores.run(key, lambda c: leases.acquire(c, key, "j", "a", 0.2))
    old = Lease(key, "j", fence)
    await world.stores.run(key, old.guard)
    await asyncio.sleep(0.3)
    with pytest.raises(LeaseLostError):
        await world.stores.run(key, old.guard)
    assert not await world.stores.run(key, lambda c: leases.renew(c, key, "j", fence, 60))


async def test_nobody_takes_over_in_the_middle_of_a_transaction(world: World) -> None:
    key = world.home.space_id
    fence = await world.stores.run(key, lambda c: leases.acquire(c, key, "j", "a", 0.3))
    async with world.stores.tx(key) as conn:
        await Lease(key, "j", fence).guard(conn)
        await asyncio.sleep(0.5)
        taker = asyncio.create_task(
            world.stores.run(key, lambda c: leases.acquire(c, key, "j", "b", 60))
        )
        done, _ = await asyncio.wait({taker}, timeout=0.3)
        assert not done, "it waits for the transaction that began under the lease"
    assert await taker == fence + 1


async def test_a_job_does_nothing_without_its_lease(world: World, changer: Changer) -> None:
    await world.put(File.small())
    world.clock.forward(days=2)
    labour = Labour(world, Trash(changer=changer, limits=world.limits))
    key = world.home.space_id
    (action,) = await labour.blobs.plan(key)
    with pytest.raises(LeaseLostError):
        await labour.blobs.execute(key, action, Lease(key, "blobs", 12345))
    assert await world.live_blobs() == 1
    async with held(world.stores, key, "blobs", "someone", 60):
        assert await labour.run(labour.blobs) == {}
    assert await labour.run(labour.blobs) == {"dying": 1}


async def test_two_workers_at_once_do_it_once(world: World, changer: Changer) -> None:
    for _ in range(5):
        await world.put(File.small())
    world.clock.forward(days=2)
    labour = Labour(world, Trash(changer=changer, limits=world.limits))
    found = await asyncio.gather(*(labour.run(labour.blobs) for _ in range(4)))
    assert sum(done.get("dying", 0) for done in found) == 5
