"""Signing and recording of parts; wrong bytes, false ETags."""

from __future__ import annotations

import pytest

from appliance.domain.errors import (
    PartMissing,
    UploadState,
)
from appliance.wire import uploads as wire

from .world import File, World


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
