"""Complete and abort: early, twice, at once, against each other, cut off after any step."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from appliance.domain import ids
from appliance.domain.errors import (
    NotFound,
    PartMismatch,
    PartMissing,
    Problem,
    StoreUnavailable,
    UploadState,
)
from appliance.domain.upload_states import Event
from appliance.wire import uploads as wire

from .world import CrashError, File, World, crash_at

COMPLETE_STEPS = ["completing", "completed-in-store", "seen-in-store", "record-uploaded"]
ABORT_STEPS = [
    "aborting",
    "aborted-in-store",
    "seen-in-store",
    "record-purged",
]


async def begun(world: World, file: File) -> wire.BeginOutcome:
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    return outcome


async def test_complete_called_early_says_what_is_missing(world: World) -> None:
    file = File.large(3)
    (outcome,) = await world.begin(file)
    await world.send(outcome.urls[1], file.pieces[1])
    with pytest.raises(PartMissing) as raised:
        await world.completion.complete(world.home.caller, outcome.upload.id)
    assert raised.value.extra["parts"] == [[1, 1], [3, 3]]
    assert await world.state(outcome.upload.id) == "uploading"
    (single,) = await world.begin(File.small())
    with pytest.raises(PartMissing):
        await world.completion.complete(world.home.caller, single.upload.id)


async def test_parts_that_were_never_reported_are_found_at_complete(world: World) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    for url in outcome.urls:
        await world.send(url, file.pieces[url.part - 1])
    assert (await world.completion.complete(world.home.caller, outcome.upload.id)).missing == []


@pytest.mark.parametrize("file", [File.small(), File.large()], ids=["single", "multipart"])
async def test_complete_twice_and_at_once_is_one_answer(world: World, file: File) -> None:
    outcome = await begun(world, file)
    answers = await asyncio.gather(
        *(world.completion.complete(world.home.caller, outcome.upload.id) for _ in range(6))
    )
    answers.append(await world.completion.complete(world.home.caller, outcome.upload.id))
    assert {answer.state for answer in answers} == {"uploaded"}
    assert await world.live_blobs() == 1
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


@pytest.mark.parametrize("file", [File.small(), File.large()], ids=["single", "multipart"])
async def test_complete_against_abort_has_one_winner(world: World, file: File) -> None:
    for _ in range(4):
        outcome = await begun(world, file)
        upload = outcome.upload.id
        done, undone = await asyncio.gather(
            world.completion.complete(world.home.caller, upload),
            world.completion.abort(world.home.caller, upload),
            return_exceptions=True,
        )
        if isinstance(done, Problem):
            assert isinstance(done, UploadState | PartMissing), done
            assert undone.state == "purged"
            assert await world.objects() == {}
            assert await world.live_blobs() == 0
        else:
            assert isinstance(undone, UploadState), undone
            assert list((await world.objects()).values()) == [len(file.body)]
            await world.run("delete from blobs where space_id = %(space_id)s")
            await world.control.delete(await world.key(upload))


async def test_an_uploaded_one_is_not_aborted_and_an_aborted_one_not_completed(
    world: World,
) -> None:
    done = await world.put(File.small())
    with pytest.raises(UploadState):
        await world.completion.abort(world.home.caller, done.id)
    gone = await begun(world, File.large())
    for _ in range(2):
        answer = await world.completion.abort(world.home.caller, gone.upload.id)
        assert answer.state == "purged"
    with pytest.raises(UploadState):
        await world.completion.complete(world.home.caller, gone.upload.id)
    assert await world.unfinished(await world.key(gone.upload.id)) == 0


@pytest.mark.parametrize("step", COMPLETE_STEPS)
@pytest.mark.parametrize("file", [File.small(), File.large()], ids=["single", "multipart"])
async def test_complete_cut_off_after_any_step_ends_the_same(
    world: World, file: File, step: str
) -> None:
    if file.chunks[0].length < 5000 and step in ("completing", "completed-in-store"):
        step = "seen-in-store"
    outcome = await begun(world, file)
    upload = outcome.upload.id
    with pytest.raises(CrashError):
        await world.watched(crash_at(step)).completion.complete(world.home.caller, upload)
    await world.completion.drive(*ids.decode("u", upload))
    done = await world.completion.complete(world.home.caller, upload)
    assert done.state == "uploaded"
    assert await world.live_blobs() == 1
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body
    assert await world.unfinished(key) == 0


@pytest.mark.parametrize("step", ABORT_STEPS)
@pytest.mark.parametrize("file", [File.small(), File.large()], ids=["single", "multipart"])
async def test_abort_cut_off_after_any_step_ends_the_same(
    world: World, file: File, step: str
) -> None:
    if len(file.chunks) == 1 and step == "aborted-in-store":
        step = "deleted-in-store"
    outcome = await begun(world, file)
    upload = outcome.upload.id
    key = await world.key(upload)
    with pytest.raises(CrashError):
        await world.watched(crash_at(step)).completion.abort(world.home.caller, upload)
    await world.completion.drive(*ids.decode("u", upload))
    assert await world.state(upload) == "purged"
    assert (await world.completion.abort(world.home.caller, upload)).state == "purged"
    assert await world.objects() == {}
    assert await world.unfinished(key) == 0
    assert await world.live_blobs() == 0


@pytest.mark.parametrize("step", ["row-written", "multipart-created", "multipart-recorded"])
async def test_begin_cut_off_after_any_step_is_resumed(world: World, step: str) -> None:
    file = File.large()
    with pytest.raises(CrashError):
        await world.watched(crash_at(step)).begin(file, key="k")
    (outcome,) = await world.begin(file, key="k")
    assert outcome.upload.state == "uploading"
    await world.fill(outcome, file)
    await world.completion.complete(world.home.caller, outcome.upload.id)
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_a_tombstone_catches_what_lands_late_and_what_a_crash_hid(world: World) -> None:
    file, big = File.small(), File.large()
    with pytest.raises(CrashError):
        await world.watched(crash_at("multipart-created")).begin(big, key="k")
    (single,) = await world.begin(file)
    (multi,) = await world.begin(big)
    for outcome in (single, multi):
        await world.completion.abort(world.home.caller, outcome.upload.id)
    assert (await world.send(single.urls[0], file.body))[0] == 200
    assert (await world.send(multi.urls[0], big.pieces[0]))[0] == 404
    assert len(await world.objects()) == 1
    await world.completion.drive(*ids.decode("u", single.upload.id))
    assert await world.state(single.upload.id) == "purged"
    world.clock.forward(seconds=2 * 3600 + 1)
    key = await world.key(multi.upload.id)
    for outcome in (single, multi):
        driven = await world.completion.drive(*ids.decode("u", outcome.upload.id))
        assert driven.row is None
    assert await world.objects() == {}
    assert await world.unfinished(key) == 0
    with pytest.raises(NotFound):
        await world.uploads.get(world.home.caller, single.upload.id)


async def test_an_idle_upload_expires_from_its_last_activity(world: World) -> None:
    file = File.large(3)
    (outcome,) = await world.begin(file)
    where = ids.decode("u", outcome.upload.id)
    world.clock.forward(days=6)
    _, etag = await world.send(outcome.urls[0], file.pieces[0])
    part = wire.RecordedPart(part=1, etag=etag)
    await world.uploads.record(world.home.caller, outcome.upload.id, wire.RecordParts(parts=[part]))
    world.clock.forward(days=6)
    await world.completion.drive(*where)
    assert await world.state(outcome.upload.id) == "uploading"
    world.clock.forward(days=1, seconds=1)
    key = await world.key(outcome.upload.id)
    driven = await world.completion.drive(*where)
    assert driven.row is None, "its URLs are long over, so nothing is left to wait for"
    assert await world.unfinished(key) == 0


async def test_expiry_leaves_alone_what_is_resumed_at_the_last_moment(world: World) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    world.clock.forward(days=7, seconds=1)
    seen = await world.executor.load(*ids.decode("u", outcome.upload.id))
    (resumed,) = await world.begin(file)
    assert resumed.upload.id == outcome.upload.id
    assert await world.executor.move(seen, Event.EXPIRE) is None, "it was idle when it was read"
    await world.fill(outcome, file)  # by the URLs of the first answer: these begin at the true time
    done = await world.completion.complete(world.home.caller, resumed.upload.id)
    assert done.state == "uploaded"


async def test_parts_that_the_store_lost_are_asked_for_again(world: World) -> None:
    file = File.large(3)
    outcome = await begun(world, file)
    await world.run(
        "update parts set etag = %(etag)s where space_id = %(space_id)s and part_no = 2",
        etag='"' + "0" * 32 + '"',
    )
    with pytest.raises(PartMismatch) as raised:
        await world.completion.complete(world.home.caller, outcome.upload.id)
    assert raised.value.extra["parts"] == [[2, 2]]
    assert await world.state(outcome.upload.id) == "uploading"
    done = await world.completion.complete(world.home.caller, outcome.upload.id)
    assert done.state == "uploaded"


async def test_an_upload_that_the_store_lost_is_over(world: World) -> None:
    file = File.large()
    outcome = await begun(world, file)
    row = await world.one(
        "select object_key, s3_upload_id from uploads where space_id = %(space_id)s"
    )
    await world.control.abort(row.object_key, row.s3_upload_id)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await world.completion.complete(world.home.caller, outcome.upload.id)
        assert await world.state(outcome.upload.id) == "completing", "another may be at work on it"
        world.clock.forward(minutes=2)
    world.clock.forward(minutes=2)
    with pytest.raises(UploadState):
        await world.completion.complete(world.home.caller, outcome.upload.id)
    assert await world.state(outcome.upload.id) == "purged"
    assert (await world.begin(file))[0].status == "new"


async def test_the_store_gone_in_the_middle_leaves_it_to_be_finished(world: World) -> None:
    outcome = await begun(world, File.large())
    upload = outcome.upload.id
    async with world.unreachable() as gone:
        with pytest.raises(StoreUnavailable):
            await replace(world, control=gone).completion.complete(world.home.caller, upload)
        assert await world.state(upload) == "completing"
        with pytest.raises(UploadState):
            await world.completion.abort(world.home.caller, upload)
    await world.completion.drive(*ids.decode("u", upload))
    assert await world.state(upload) == "uploaded"


async def test_a_batch_is_completed_item_by_item(world: World) -> None:
    small, big, absent = File.small(), File.large(), File.small()
    outcomes = await world.begin(small, big, absent)
    for outcome, file in zip(outcomes[:2], (small, big), strict=True):
        await world.fill(outcome, file)
    asked = [*(outcome.upload.id for outcome in outcomes), "u" + "A" * 22]
    done = await world.completion.complete_many(
        world.home.caller, world.home.space, wire.Complete(uploads=asked)
    )
    assert [item.code for item in done.items] == [None, None, "part-missing", "not-found"]
    assert [item.id for item in done.items] == asked
    assert [item.upload and item.upload.state for item in done.items][:2] == ["uploaded"] * 2


async def test_what_a_commit_may_use(world: World) -> None:
    small, open_still, big = File.small(), File.small(), File.large()
    first, second, third = await world.begin(small, open_still, big)
    await world.fill(first, small)
    await world.fill(third, big)
    upload_ids = [ids.decode("u", o.upload.id)[1] for o in (first, second, third)]
    found = await world.completion.ensure_uploaded(
        world.home.space_id, world.home.caller.user_id, [*upload_ids, 5]
    )
    codes = [problem and problem.code for problem in found.values()]
    assert codes == [None, "part-missing", "upload-state", "not-found"]
    theirs = await world.completion.ensure_uploaded(world.home.space_id, 99, upload_ids)
    assert [problem and problem.code for problem in theirs.values()] == [
        None,  # proven: whoever may write into the space may use it
        "not-found",
        "not-found",
    ]
