"""Half-finished completes and aborts, uploads that nobody goes on with: workers end them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.services.trash import Trash

from .labour import Labour
from .stored import blob_state, half_done
from .world import CrashError, File, World, crash_at


@pytest.mark.parametrize("step", ["completing", "completed-in-store", "seen-in-store"])
async def test_a_half_finished_complete_is_finished(world: World, labour: Labour, step) -> None:
    _, upload = await half_done(world, step)
    assert await labour.run(labour.uploads) == {}, "a request may still be at work on it"
    world.clock.forward(seconds=61)
    assert len(await labour.plan(labour.uploads)) == 1
    assert await world.state(upload) == "completing", "a plan changes nothing"
    assert await labour.run(labour.uploads) == {"driven": 1}
    assert await world.state(upload) == "uploaded"
    assert await labour.run(labour.uploads) == {}


async def test_a_complete_that_may_be_under_way_is_left_for_minutes(
    world: World, labour: Labour
) -> None:
    file, other = File.large(), File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    with pytest.raises(CrashError):
        await world.watched(crash_at("completing")).completion.complete(
            world.home.caller, outcome.upload.id
        )
    row = await world.one(
        "select object_key, s3_upload_id from uploads where space_id = %(space_id)s"
    )
    await world.control.abort(row.object_key, row.s3_upload_id)
    (idle,) = await world.begin(other)
    with pytest.raises(CrashError):
        await world.watched(crash_at("aborting")).completion.abort(
            world.home.caller, idle.upload.id
        )
    world.clock.forward(minutes=2)
    assert await labour.run(labour.uploads) == {"driven": 1}, "the other one goes its way"
    assert await world.state(outcome.upload.id) == "completing"
    world.clock.forward(minutes=4)
    assert await labour.run(labour.uploads) == {"driven": 1}
    assert await world.state(outcome.upload.id) == "purged"


async def test_a_half_finished_abort_is_finished_and_then_forgotten(
    world: World, labour: Labour
) -> None:
    single, multi = File.small(), File.large()
    outcomes = await world.begin(single, multi)
    for outcome, file in zip(outcomes, (single, multi), strict=True):
        await world.fill(outcome, file)
        with pytest.raises(CrashError):
            await world.watched(crash_at("aborting")).completion.abort(
                world.home.caller, outcome.upload.id
            )
    world.clock.forward(seconds=61)
    assert await labour.run(labour.uploads) == {"driven": 2}
    assert await world.objects() == {}
    assert (await world.send(outcomes[0].urls[0], single.body))[0] == 200
    assert await labour.run(labour.uploads) == {}
    world.clock.forward(hours=2)
    assert await labour.run(labour.uploads) == {"purged": 2}
    assert await world.objects() == {}
    left = await world.one(
        "select (select count(*) from uploads where space_id = %(space_id)s) as uploads,"
        " (select count(*) from parts where space_id = %(space_id)s) as parts"
    )
    assert (left.uploads, left.parts) == (0, 0)


async def test_idle_uploads_expire_and_finished_rows_go(world: World, labour: Labour) -> None:
    kept = File.large()
    done = await world.put(kept)
    idle = await world.begin(File.large(), File.small(), File.small())
    assert await labour.run(labour.uploads) == {}
    world.clock.forward(days=7, seconds=1)
    assert await labour.run(labour.uploads) == {"driven": 3, "forgotten": 1}
    assert list((await world.objects()).values()) == [len(kept.body)]
    assert [await world.state(o.upload.id) for o in idle] == [None] * 3
    again = await world.uploads.get(world.home.caller, done.id)
    assert (again.state, again.method, again.parts) == ("uploaded", "multipart", 2)


async def test_the_store_gone_fails_the_run_and_nothing_else(world: World, trash: Trash) -> None:
    await world.put(File.small())
    world.clock.forward(days=2)
    whole = Labour(world, trash)
    await whole.run(whole.blobs)
    world.clock.forward(days=8)
    async with world.unreachable() as gone:
        broken = Labour(replace(world, control=gone), trash)
        with pytest.raises(AssertionError, match="see the log"):
            await broken.run(broken.blobs)
    assert await blob_state(world) == "dying"
    assert await whole.run(whole.blobs) == {"deleted": 1}
