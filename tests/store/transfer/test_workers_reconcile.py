"""Rows and store compared in both directions: what differs is found, and only that."""

from __future__ import annotations

import secrets

from appliance.objects.keys import single_key
from appliance.services.commits import Commits
from appliance.workers.figures import unexplained

from .labour import Labour
from .stored import committed, put_object
from .world import File, World


async def found(world: World) -> dict[str, int]:
    row = await world.one(
        "select found from audits where space_id = %(space_id)s and job = 'reconcile'"
    )
    return row.found


async def test_everything_that_is_under_way_is_explained(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small())
    await world.put(File.large())
    arrived, aborted = File.small(), File.small()
    first, second = await world.begin(arrived, aborted)
    await world.fill(first, arrived)
    await world.completion.abort(world.home.caller, second.upload.id)
    await world.send(second.urls[0], aborted.body)
    world.clock.forward(days=2)
    await labour.run(labour.blobs)
    assert len(await world.objects()) == 4
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 0, "lost": 0, "size": 0, "upload": 0}
    assert await labour.run(labour.reconcile) == {}, "once a day"


async def test_an_orphan_is_found_at_once_and_deleted_after_the_grace(
    world: World, labour: Labour
) -> None:
    key = single_key(world.home.space_id, secrets.token_bytes(16))
    await put_object(world, key, b"nobody knows me")
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 1, "lost": 0, "size": 0, "upload": 0}
    assert (await unexplained(world.stores))["orphan"] >= 1
    assert list(await world.objects()) == [key]
    world.clock.forward(days=7, seconds=60)
    assert await labour.run(labour.reconcile) == {"compared": 1, "orphans_deleted": 1}
    assert await world.objects() == {}
    world.clock.forward(days=1, seconds=1)
    await labour.run(labour.reconcile)
    assert await found(world) == {"orphan": 0, "lost": 0, "size": 0, "upload": 0}


async def test_an_upload_that_no_row_knows_is_aborted_after_the_grace(
    world: World, labour: Labour
) -> None:
    """MinIO shows it to nobody who doesn't know its key; there it expires by itself."""
    shown = int(world.settings.kind == "seaweedfs")
    key = single_key(world.home.space_id, secrets.token_bytes(16))
    await world.control.create_multipart(key)
    (ours,) = await world.begin(File.large())
    assert ours.upload is not None
    own_key = await world.key(ours.upload.id)
    await world.control.create_multipart(own_key)  # by one that died before it dropped it
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert (await found(world))["upload"] == 2 * shown
    assert (await world.unfinished(key), await world.unfinished(own_key)) == (1, 2)
    world.clock.forward(days=7, seconds=60)
    done = await labour.run(labour.reconcile)
    assert done == {"compared": 1} | ({"uploads_aborted": 2} if shown else {})
    assert (await world.unfinished(key), await world.unfinished(own_key)) == (1 - shown, 2 - shown)
    (again,) = (await world.uploads.list(world.home.caller, world.home.space, None, 10)).items
    assert again.state == "uploading"


async def test_lost_and_cut_objects_are_quarantined_and_stay_counted(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small(), "lost")
    (lost,) = await world.objects()
    await committed(world, commits, File.small(), "cut")
    (cut,) = (await world.objects()).keys() - {lost}
    await world.control.delete(lost)
    await put_object(world, cut, b"short")
    assert sorted(await labour.plan(labour.reconcile))[0].startswith("note")
    assert await world.live_blobs() == 2
    assert await labour.run(labour.reconcile) == {"compared": 1, "quarantined": 2}
    assert await world.live_blobs() == 0
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 0, "lost": 1, "size": 1, "upload": 0}
