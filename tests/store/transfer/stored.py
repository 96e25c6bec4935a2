"""Short ways to a state that workers find: files committed, completes cut off, objects put."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from appliance.services.commits import Commits
from appliance.wire import uploads as wire

from .world import CrashError, File, World, crash_at


async def committed(world: World, commits: Commits, file: File, name: str = "a") -> str:
    """Its node."""
    done = await world.put(file)
    target = wire.CommitTarget(kind="file", parent=world.home.root, name=name, upload=done.id)
    written = await commits.commit(
        world.home.caller, world.home.space, wire.Commit(targets=[target])
    )
    (outcome,) = written.answer.items
    assert outcome.status == "created", outcome
    return outcome.node


async def half_done(world: World, step: str) -> tuple[File, str]:
    file = File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    with pytest.raises(CrashError):
        await world.watched(crash_at(step)).completion.complete(
            world.home.caller, outcome.upload.id
        )
    return file, outcome.upload.id


async def put_object(world: World, key: str, body: bytes) -> None:
    """As a client with a URL could, straight to the store."""
    put = world.presigner.put_url(
        key,
        hashlib.sha256(body).digest(),
        len(body),
        now=datetime.now(UTC),
        expires=timedelta(seconds=60),
    )
    headers = {"x-amz-checksum-sha256": put.headers["x-amz-checksum-sha256"]}
    async with world.http.put(put.url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def blob_state(world: World) -> str:
    return (await world.one("select state from blobs where space_id = %(space_id)s")).state
