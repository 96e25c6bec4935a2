"""Blobs read back: what is right is confirmed, what isn't is quarantined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from appliance.objects.reader import ObjectReader
from appliance.services.commits import Commits
from appliance.services.trash import Trash
from tests.objects.store_processes import RunningStore

from .labour import Labour
from .stored import blob_state, committed, put_object
from .world import File, World


async def test_scrub_confirms_what_is_right(world: World, labour: Labour, commits: Commits) -> None:
    small, big = File.small(), File.large(3)
    await committed(world, commits, small, "s")
    await committed(world, commits, big, "b")
    await world.run(
        "update blobs set proven = false, sha256 = %(lie)s where space_id = %(space_id)s"
        " and raw_size > 5000",
        lie=bytes(32),
    )
    await world.run("update versions set sha256 = %(lie)s where space_id = %(space_id)s"
                    " and size > 5000", lie=bytes(32))  # fmt: skip
    assert await labour.run(labour.scrub) == {"passed": 2}
    rows = await world.one(
        "select bool_and(b.proven and b.sha256_confirmed) as sure,"
        " bool_and(v.sha256 = b.sha256) as same, count(*) as n"
        " from blobs b join versions v on v.space_id = %(space_id)s and v.blob_id = b.blob_id"
        " where b.space_id = %(space_id)s"
    )
    assert (rows.sure, rows.same, rows.n) == (True, True, 2)
    assert await labour.run(labour.scrub) == {}
    world.clock.forward(days=31)
    assert await labour.run(labour.scrub) == {"passed": 2}


@pytest.mark.parametrize("harm", ["other bytes", "too short", "too long", "gone"])
async def test_scrub_finds_what_is_wrong(world: World, labour: Labour, harm: str) -> None:
    file = File.small()
    await world.put(file)
    (key,) = await world.objects()
    if harm == "gone":
        await world.control.delete(key)
    else:
        body = {
            "other bytes": bytes([file.body[0] ^ 1]) + file.body[1:],
            "too short": file.body[:-1],
            "too long": file.body + b"!",
        }[harm]
        await put_object(world, key, body)
    assert await labour.run(labour.scrub) == {"failed": 1}
    assert await blob_state(world) == "quarantined"
    assert await labour.run(labour.scrub) == {}, "it isn't read again before someone acts"
    assert (await world.begin(file))[0].status == "new"


async def test_a_false_report_ends_with_the_next_scrub(world: World, labour: Labour) -> None:
    await world.put(File.large())
    await labour.run(labour.scrub)
    await world.run("update blobs set state = 'quarantined' where space_id = %(space_id)s")
    assert await labour.run(labour.scrub) == {}, "read a moment ago: reports can't make it busy"
    world.clock.forward(hours=1, seconds=1)
    assert await labour.run(labour.scrub) == {"passed": 1}
    assert await blob_state(world) == "live"


def sizes(place: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in place.rglob("*") if path.is_file()}


def rot(place: Path, before: dict[Path, int], size: int) -> None:
    """Turns one byte in the middle of what the store has written since."""
    (path,) = [p for p, now in sizes(place).items() if now - before.get(p, 0) >= size]
    with path.open("r+b") as file:
        file.seek((before.get(path, 0) + path.stat().st_size) // 2)
        old = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([old[0] ^ 1]))


async def test_an_object_that_cannot_be_read_stops_no_other(
    world: World, labour: Labour, object_store: RunningStore
) -> None:
    before = sizes(object_store.directory)
    await world.put(File.small(3 << 20))
    rot(object_store.directory, before, 3 << 20)
    for _ in range(2):
        await world.put(File.small())
    assert await labour.run(labour.scrub) == {"unreadable": 1, "passed": 2}
    assert await labour.run(labour.scrub) == {}, "its turn comes again with the others'"
    await world.run(
        "update blobs set state = 'quarantined' where space_id = %(space_id)s and raw_size > 5000"
    )
    world.clock.forward(hours=1, seconds=1)
    assert await labour.run(labour.scrub) == {"unreadable": 1}
    assert await labour.run(labour.scrub) == {}


async def test_a_scrub_of_a_store_that_is_gone_says_nothing_of_its_objects(
    world: World, labour: Labour, trash: Trash
) -> None:
    await world.put(File.small())
    settings = msgspec.structs.replace(world.settings, endpoint="http://127.0.0.1:9")
    async with ObjectReader(settings) as blind, world.unreachable() as gone:
        broken = Labour(replace(world, control=gone, reader=blind), trash)
        with pytest.raises(AssertionError, match="see the log"):
            await broken.run(broken.scrub)
    assert await labour.run(labour.scrub) == {"passed": 1}
