"""Known, resume, new, empty; repeats, pages, and a store that is gone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from appliance.domain import ids
from appliance.domain.errors import (
    IdempotencyMismatch,
    NotFound,
    StoreUnavailable,
)
from appliance.store import blobs
from appliance.store import uploads as rows
from appliance.store.pools import Connection
from appliance.wire import uploads as wire

from .world import File, World


async def test_one_small_file_is_one_put(world: World) -> None:
    file = File.small()
    (outcome,) = await world.begin(file)
    assert (outcome.status, outcome.upload.method) == ("new", "single")
    assert [url.part for url in outcome.urls] == [1]
    await world.fill(outcome, file)
    done = await world.completion.complete(world.home.caller, outcome.upload.id)
    assert (done.state, done.missing) == ("uploaded", [])
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_a_large_file_goes_in_parts(world: World) -> None:
    file = File.large(3)
    (outcome,) = await world.begin(file)
    assert (outcome.upload.method, outcome.upload.missing) == ("multipart", [1, 2, 3])
    assert [url.part for url in outcome.urls] == [1, 2, 3]
    await world.fill(outcome, file)
    done = await world.completion.complete(world.home.caller, outcome.upload.id)
    assert done.state == "uploaded"
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_known_is_for_this_space_only(world: World, new_home) -> None:
    file = File.small()
    done = await world.put(file)
    (again,) = await world.begin(file)
    assert (again.status, again.upload.id, again.urls) == ("known", done.id, ())
    elsewhere = world.at(await new_home())
    assert (await elsewhere.begin(file))[0].status == "new"


async def test_an_unproven_blob_is_known_to_its_author_alone(world: World) -> None:
    file = File.small()
    await world.put(file)
    await world.run("update blobs set proven = false where space_id = %(space_id)s")
    assert (await world.begin(file))[0].status == "known"
    await world.run("update blobs set author_user_id = 77 where space_id = %(space_id)s")
    assert (await world.begin(file))[0].status == "new"


async def test_a_dying_blob_is_not_known(world: World) -> None:
    file = File.small()
    await world.put(file)
    await world.run(
        "update blobs set state = 'dying', dying_at = now() where space_id = %(space_id)s"
    )
    assert (await world.begin(file))[0].status == "new"


async def test_a_known_blob_lives_to_be_committed(world: World) -> None:
    file = File.small()
    await world.put(file)
    world.clock.forward(hours=20)
    await world.begin(file)
    row = await world.one("select fresh_until from blobs where space_id = %(space_id)s")
    assert (row.fresh_until - world.clock.now()).total_seconds() > 86000


@pytest.mark.parametrize("key", [None, "a-key"])
async def test_an_upload_that_is_completed_meanwhile_isnt_begun_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """Between the two looks, for blobs and for uploads, it turns from the one into the other."""
    file = File.small()
    (first,) = await world.begin(file)
    await world.fill(first, file)
    looks = 0

    def then_completed(look: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def looked(conn: Connection, *args: Any) -> Any:
            nonlocal looks
            async with conn.pipeline():  # its end is where the statement has run
                found = await look(conn, *args)
            looks += 1
            if looks == 1:
                await world.completion.complete(world.home.caller, first.upload.id)
            return found

        return looked

    for room, name in ((blobs, "usable_by_fingerprints"), (rows, "open_by_fingerprints")):
        monkeypatch.setattr(room, name, then_completed(getattr(room, name)))
    (outcome,) = await world.begin(file, key=key)
    assert looks >= 2
    assert (outcome.status, outcome.upload.id) == ("known", first.upload.id)


async def test_resume_lists_once_and_asks_only_for_the_rest(world: World) -> None:
    file = File.large(3)
    (outcome,) = await world.begin(file)
    assert (await world.send(outcome.urls[1], file.pieces[1]))[0] == 200
    (again,) = await world.begin(file)
    assert (again.status, again.upload.id) == ("resume", outcome.upload.id)
    assert again.upload.missing == [1, 3]
    assert [url.part for url in again.urls] == [1, 3]
    chunks = (await world.uploads.chunks(world.home.caller, outcome.upload.id)).items
    assert [chunk.status for chunk in chunks] == ["missing", "uploaded", "missing"]
    await world.fill(again, file)
    assert (await world.completion.complete(world.home.caller, outcome.upload.id)).missing == []


async def test_resume_of_a_single_that_arrived_asks_for_nothing(world: World) -> None:
    file, other = File.small(), File.small()
    first, second = await world.begin(file, other)
    await world.send(first.urls[0], file.body)
    again, open_still = await world.begin(file, other)
    assert (again.status, again.upload.missing, again.urls) == ("resume", [], ())
    assert (open_still.status, open_still.upload.missing) == ("resume", [1])
    assert open_still.upload.id == second.upload.id


async def test_another_user_neither_resumes_nor_sees_it(world: World) -> None:
    (outcome,) = await world.begin(File.large())
    stranger = world.home.stranger()
    upload = outcome.upload.id
    calls = [
        world.uploads.get(stranger, upload),
        world.uploads.chunks(stranger, upload),
        world.uploads.sign(stranger, upload, wire.SignParts(parts=[1])),
        world.uploads.record(
            stranger, upload, wire.RecordParts(parts=[wire.RecordedPart(part=1, etag="x")])
        ),
        world.completion.complete(stranger, upload),
        world.completion.abort(stranger, upload),
        world.uploads.list(stranger, world.home.space, None, 10),
        world.uploads.begin(
            stranger, world.home.space, wire.Begin(uploads=[File.small().asked()]), None
        ),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    for nonsense in ("u", "u" + "A" * 22, ids.encode("u", world.home.space_id, 5), "nonsense"):
        with pytest.raises(NotFound):
            await world.uploads.get(world.home.caller, nonsense)


async def test_the_empty_file_has_no_upload(world: World) -> None:
    (outcome,) = await world.begin(File(()))
    assert (outcome.status, outcome.upload, outcome.urls) == ("empty", None, ())


async def test_two_of_one_content_share_an_upload(world: World) -> None:
    file = File.small()
    first, second, other = await world.begin(file, file, File.small())
    assert first.upload.id == second.upload.id != other.upload.id


async def test_a_blob_past_its_time_is_not_offered_again(world: World) -> None:
    file = File.small()
    await world.put(file)
    world.clock.forward(days=2)
    assert (await world.begin(file))[0].status == "new"


async def test_the_idempotency_key_gives_the_same_uploads_with_new_urls(world: World) -> None:
    files = [File.small(), File.large(), File(())]
    key = secrets.token_hex(8)
    first = await world.begin(*files, key=key)
    world.clock.forward(seconds=30)
    again = await world.begin(*files, key=key)
    assert [o.status for o in first] == [o.status for o in again] == ["new", "new", "empty"]
    assert [o.upload and o.upload.id for o in first] == [o.upload and o.upload.id for o in again]
    assert first[0].urls[0].url != again[0].urls[0].url
    assert (await world.send(again[0].urls[0], files[0].body))[0] == 200
    with pytest.raises(IdempotencyMismatch):
        await world.begin(File.small(), key=key)


async def test_the_same_request_many_times_at_once_is_one_upload(world: World) -> None:
    file = File.large()
    found = await asyncio.gather(*(world.begin(file, key="one") for _ in range(8)))
    assert len({outcome[0].upload.id for outcome in found}) == 1
    assert await world.unfinished(await world.key(found[0][0].upload.id)) == 1


async def test_uploads_are_listed_in_pages(world: World) -> None:
    begun = [(await world.begin(File.small()))[0].upload.id for _ in range(5)]
    await world.completion.abort(world.home.caller, begun[2])
    page = await world.uploads.list(world.home.caller, world.home.space, None, 3)
    rest = await world.uploads.list(world.home.caller, world.home.space, page.next, 3)
    assert [u.id for u in (*page.items, *rest.items)] == [*begun[:2], *begun[3:]]
    assert rest.next is None


async def test_a_store_that_is_gone_leaves_rows_to_go_on_from(world: World) -> None:
    async with world.unreachable() as gone:
        with pytest.raises(StoreUnavailable):
            await replace(world, control=gone).begin(file := File.large(), key="k")
    (outcome,) = await world.begin(file, key="k")
    assert outcome.upload.state == "uploading"
    await world.fill(outcome, file)
    assert (await world.completion.complete(world.home.caller, outcome.upload.id)).missing == []
