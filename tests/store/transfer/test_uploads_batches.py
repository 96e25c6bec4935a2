"""Many uploads in one call: few round trips, and each refusal for itself."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from appliance.domain import ids
from appliance.domain.errors import (
    TooLarge,
)
from appliance.objects.keys import batch_prefix
from appliance.wire import uploads as wire

from .world import MIB, File, World


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
