"""Known, resume, new, empty; quota; signing and recording; what bad input gets."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import psycopg
import pytest

from appliance.domain import ids
from appliance.domain.errors import (
    IdempotencyMismatch,
    NotFound,
    PartMissing,
    StoreUnavailable,
    TooLarge,
    UploadState,
)
from appliance.objects.keys import batch_prefix
from appliance.wire import uploads as wire

from .world import MIB, File, World


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


async def test_a_call_begins_so_many_chunks_and_no_more(world: World) -> None:
    spec = wire.ChunkSpec(length=5 * MIB, sha256="0" * 64)
    full = wire.BeginUpload(size=10_000 * 5 * MIB, chunks=[spec] * 10_000)
    one = wire.BeginUpload(size=5 * MIB, chunks=[spec])

    async def begin(*asked: wire.BeginUpload) -> wire.Begun:
        request = wire.Begin(uploads=list(asked))
        return await world.uploads.begin(world.home.caller, world.home.space, request, None)

    with pytest.raises(TooLarge) as refused:
        await begin(full, one, full)
    assert refused.value.extra == {"chunks": 20_001, "most": 20_000}
    row = await world.one("select count(*) as n from uploads where space_id = %(space_id)s")
    assert row.n == 0
    begun = await begin(full, full)
    assert [item.code for item in begun.items] == ["quota-exceeded"] * 2


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


async def test_a_batch_lies_under_one_prefix_and_needs_few_round_trips(world: World) -> None:
    files = [File.small(20) for _ in range(1000)]
    outcomes = await world.begin(*files)
    assert {outcome.status for outcome in outcomes} == {"new"}
    assert all(len(outcome.urls) == 1 for outcome in outcomes)
    keys = await world.one(
        "select count(distinct left(object_key, 56)) as n, count(*) as rows from uploads "
        "where space_id = %(space_id)s"
    )
    assert (keys.n, keys.rows) == (1, 1000)
    assert len(batch_prefix(world.home.space_id, bytes(16))) == 56
    for start in range(0, 1000, 50):
        await asyncio.gather(
            *(world.send(outcomes[i].urls[0], files[i].body) for i in range(start, start + 50))
        )
    await world.control.delete(await world.key(outcomes[7].upload.id))
    done = await world.completion.complete_many(
        world.home.caller,
        world.home.space,
        wire.Complete(uploads=[outcome.upload.id for outcome in outcomes]),
    )
    codes = [item.code for item in done.items]
    assert codes[7] == "part-missing"
    assert codes.count(None) == 999
    assert await world.live_blobs() == 999


async def test_a_batch_asks_the_database_no_more_than_one_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    execute = psycopg.AsyncCursor.execute

    async def counted(self, *values, **options):
        nonlocal asked
        asked += 1
        return await execute(self, *values, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)
    figures = []
    for size in (2, 300):
        files = [File.small(20) for _ in range(size)]
        asked = 0
        outcomes = await world.begin(*files, key=f"batch of {size}")
        begun = asked
        await asyncio.gather(*(world.fill(o, f) for o, f in zip(outcomes, files, strict=True)))
        asked = 0
        upload_ids = [ids.decode("u", o.upload.id)[1] for o in outcomes]
        user_id = world.home.caller.user_id
        done = await world.completion.ensure_uploaded(world.home.space_id, user_id, upload_ids)
        assert set(done.values()) == {None}
        figures.append((begun, asked))
    assert figures[0] == figures[1]


BAD = {
    "short": ({"size": 999}, "add up"),
    "empty list": ({"chunks": []}, "list is empty"),
    "too large a chunk": (
        {"size": 11 * MIB, "chunks": [wire.ChunkSpec(length=11 * MIB, sha256="0" * 64)]},
        "class 0 takes",
    ),
    "too small a chunk": (
        {"size": 2000, "chunks": [wire.ChunkSpec(length=1000, sha256="0" * 64)] * 2},
        "class 0 takes",
    ),
    "no such class": ({"chunk_class": 12}, "no chunk class"),
    "a lie in the fingerprint": ({"fingerprint": "0" * 64}, "fingerprint"),
    "two sums of one chunk": ({"sha256": "0" * 64}, "differ"),
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
async def test_a_chunk_list_that_makes_no_sense_is_refused_alone(world: World, changes) -> None:
    bad, good = File.small(), File.small()
    request = wire.Begin(uploads=[bad.asked(**changes[0]), good.asked()])
    begun = await world.uploads.begin(world.home.caller, world.home.space, request, None)
    refused, taken = begun.items
    assert (refused.status, refused.code) == ("error", "invalid-chunk-list")
    assert changes[1] in refused.detail
    assert taken.status == "new"
    count = await world.one("select count(*) as n from uploads where space_id = %(space_id)s")
    assert count.n == 1


async def test_more_than_ten_thousand_chunks(world: World) -> None:
    chunk = wire.ChunkSpec(length=5 * MIB, sha256="0" * 64)
    asked = wire.BeginUpload(size=10_001 * 5 * MIB, chunks=[chunk] * 10_001)
    begun = await world.uploads.begin(
        world.home.caller, world.home.space, wire.Begin(uploads=[asked]), None
    )
    assert begun.items[0].code == "invalid-chunk-list"


async def test_many_uploads_at_once_can_not_pass_the_quota(world: World, new_home) -> None:
    tight = world.at(await new_home(quota=10_500))
    outcomes = await asyncio.gather(*(tight.begin(File.small(1000)) for _ in range(30)))
    codes = sorted(str(outcome[0].code) for outcome in outcomes)
    assert codes == ["None"] * 10 + ["quota-exceeded"] * 20


async def test_the_quota_counts_uploads_blobs_and_nothing_twice(world: World, new_home) -> None:
    tight = world.at(await new_home(quota=2500))
    kept, dropped = File.small(1000), File.small(1000)
    await tight.put(kept)
    (second,) = await tight.begin(dropped)
    assert (await tight.begin(File.small(1000)))[0].code == "quota-exceeded"
    assert (await tight.begin(kept))[0].status == "known"
    await tight.completion.abort(tight.home.caller, second.upload.id)
    tight.clock.forward(hours=2)  # its URL and the longest PUT are over
    assert (await tight.begin(File.small(1000)))[0].status == "new"
    assert (await tight.begin(File.small(1000)))[0].code == "quota-exceeded"


async def test_an_aborted_single_holds_its_quota_while_its_url_lives(
    world: World, new_home, files
) -> None:
    """Else begin, abort, begin, abort ... gives URLs for any number of bytes."""
    world = world.at(await new_home(quota=1000))

    async def reserved() -> int:
        return (await files.space(world.home.caller, world.home.space)).reserved_bytes

    file = File.small(600)
    (outcome,) = await world.begin(file)
    await world.completion.abort(world.home.caller, outcome.upload.id)
    assert await world.state(outcome.upload.id) == "purged"
    assert await reserved() == 600
    (refused,) = await world.begin(File.small(600))
    assert refused.code == "quota-exceeded"
    assert (await world.send(outcome.urls[0], file.body))[0] == 200, "the URL is still good"
    world.clock.forward(seconds=world.limits.part_url_seconds + world.limits.put_grace_seconds)
    assert await reserved() == 0
    (accepted,) = await world.begin(File.small(600))
    assert accepted.status == "new"


async def test_an_aborted_multipart_gives_its_quota_back(world: World, new_home, files) -> None:
    world = world.at(await new_home(quota=1 << 30))
    (outcome,) = await world.begin(File.large())
    await world.completion.abort(world.home.caller, outcome.upload.id)
    assert (await files.space(world.home.caller, world.home.space)).reserved_bytes == 0


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


async def test_urls_are_signed_only_while_bytes_are_taken(world: World) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    upload = outcome.upload.id
    world.clock.forward(seconds=100)
    urls = await world.uploads.sign(world.home.caller, upload, wire.SignParts(parts=[2, 1]))
    assert [url.part for url in urls.urls] == [2, 1]
    row = await world.one("select url_expires_at from uploads where space_id = %(space_id)s")
    assert row.url_expires_at == urls.urls[0].expires_at
    with pytest.raises(PartMissing):
        await world.uploads.sign(world.home.caller, upload, wire.SignParts(parts=[3]))
    await world.completion.abort(world.home.caller, upload)
    with pytest.raises(UploadState):
        await world.uploads.sign(world.home.caller, upload, wire.SignParts(parts=[1]))


async def test_wrong_bytes_never_arrive(world: World) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    other = bytes(len(file.pieces[0]))
    assert (await world.send(outcome.urls[0], other))[0] == 400
    assert (await world.send(outcome.urls[0], file.pieces[0] + b"!"))[0] == 403
    (again,) = await world.begin(file)
    assert again.upload.missing == [1, 2]


async def test_only_what_the_store_has_is_recorded(world: World) -> None:
    file = File.large(3)
    (outcome,) = await world.begin(file)
    _, etag = await world.send(outcome.urls[0], file.pieces[0])
    claims = {1: etag, 2: etag, 9: etag}
    parts = [wire.RecordedPart(part=n, etag=e) for n, e in claims.items()]
    recorded = await world.uploads.record(
        world.home.caller, outcome.upload.id, wire.RecordParts(parts=parts)
    )
    assert recorded.recorded == [1]
    assert {part.part: part.code for part in recorded.refused} == {
        2: "part-missing",
        9: "part-missing",
    }
    false = wire.RecordParts(parts=[wire.RecordedPart(part=1, etag='"' + "0" * 32 + '"')])
    recorded = await world.uploads.record(world.home.caller, outcome.upload.id, false)
    assert [part.code for part in recorded.refused] == ["part-mismatch"]


async def test_a_part_sent_twice_is_one_part(world: World) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    for _ in range(3):
        assert (await world.send(outcome.urls[0], file.pieces[0]))[0] == 200
    await world.fill(outcome, file)
    done = await world.completion.complete(world.home.caller, outcome.upload.id)
    assert done.state == "uploaded"
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


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
