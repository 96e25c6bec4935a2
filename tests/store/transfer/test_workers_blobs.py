"""What nothing uses dies, by steps; what is used is spared."""

from __future__ import annotations

import pytest

from appliance.services.commits import Commits
from appliance.services.trash import Trash

from .labour import Labour
from .stored import blob_state, committed
from .world import CrashError, File, World, crash_at


async def test_an_unused_blob_dies_and_then_its_object_goes(world: World, labour: Labour) -> None:
    await world.put(File.small())
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    (line,) = await labour.plan(labour.blobs)
    assert line.startswith("let-die")
    assert await blob_state(world) == "live"
    assert await labour.run(labour.blobs) == {"dying": 1}
    assert len(await world.objects()) == 1
    world.clock.forward(days=6)
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert await world.objects() == {}
    assert await world.live_blobs() == 0


@pytest.mark.parametrize("step", ["dying", "object-deleted"])
async def test_a_death_cut_off_ends_the_same(world: World, trash: Trash, step: str) -> None:
    await world.put(File.small())
    world.clock.forward(days=2)
    crashing = Labour(world.watched(crash_at(step)), trash)
    whole = Labour(world, trash)
    if step == "object-deleted":
        await whole.run(whole.blobs)
        world.clock.forward(days=8)
    with pytest.raises(CrashError):
        await crashing.run(crashing.blobs)
    world.clock.forward(days=8)
    await whole.run(whole.blobs)
    row = await world.one("select count(*) as n from blobs where space_id = %(space_id)s")
    assert row.n == 0
    assert await world.objects() == {}


async def test_a_quarantined_blob_that_nothing_uses_goes_too(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small(), "used")
    (used,) = await world.objects()
    await world.put(File.small())
    await world.run("update blobs set state = 'quarantined' where space_id = %(space_id)s")
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"dying": 1}
    world.clock.forward(days=8)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert list(await world.objects()) == [used]


async def test_what_a_version_uses_does_not_die(
    world: World, labour: Labour, commits: Commits
) -> None:
    file = File.small()
    await committed(world, commits, file)
    world.clock.forward(days=400)
    assert await labour.run(labour.blobs) == {}
    await world.run("update blobs set charged = false where space_id = %(space_id)s")
    assert await labour.run(labour.blobs) == {}, "the version counts, whatever the flag says"
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_a_commit_moves_what_was_reserved_and_adds_nothing(
    world: World, commits: Commits, new_home
) -> None:
    tight = world.at(await new_home(quota=2500))
    first = File.small(1000)
    await committed(tight, commits, first)
    assert (await tight.begin(File.small(1000)))[0].status == "new"
    assert (await tight.begin(File.small(1000)))[0].code == "quota-exceeded"
    used = await tight.one("select used_bytes from spaces where space_id = %(space_id)s")
    assert used.used_bytes == 1000


async def test_from_the_trash_to_the_last_byte(
    world: World, labour: Labour, commits: Commits, trash: Trash
) -> None:
    node = await committed(world, commits, File.small())
    await trash.trash(world.home.caller, node)
    assert await labour.run(labour.trash) == {}
    world.clock.forward(days=30, seconds=1)
    assert len(await labour.plan(labour.trash)) == 1
    assert await labour.run(labour.trash) == {"deleted": 1}
    assert (await labour.run(labour.purging))["cleared"] >= 1
    used = await world.one(
        "select used_bytes, (select count(*) from nodes where space_id = %(space_id)s) as nodes"
        " from spaces where space_id = %(space_id)s"
    )
    assert (used.used_bytes, used.nodes) == (0, 1)
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"dying": 1}
    world.clock.forward(days=7, seconds=1)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert await world.objects() == {}
