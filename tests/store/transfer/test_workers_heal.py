"""What a drive missed while it was away is on it after the job, on a MinIO of four drives."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from appliance.domain.errors import StoreUnavailable
from appliance.objects import drives
from appliance.objects.control import ObjectControl
from appliance.objects.drives import Drives
from appliance.objects.presign import Presigner
from appliance.services.trash import Trash
from appliance.workers.heal import HealJob
from tests.objects.store_processes import BUCKET, REGION, Place, new_place, started

from .labour import Labour
from .world import File, World

DRIVES = ("d1", "d2", "d3", "d4")
SECONDS = 120  # MinIO looks at its drives every 15 s, at its figures every 10 s


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place("minio", tmp_path, DRIVES)


@pytest.fixture
async def spread(world: World, place: Place) -> AsyncIterator[World]:
    """The world on that store."""
    with started(place) as store:
        async with ObjectControl(store.settings) as control:
            signer = Presigner(store.settings.endpoint, REGION, BUCKET, store.settings.signer)
            yield replace(world, control=control, presigner=signer, settings=store.settings)


@pytest.fixture
def laboured(spread: World, trash: Trash) -> Labour:
    return Labour(spread, trash)


def job(world: World, apart: float = 0.0) -> HealJob:
    look = functools.partial(drives.look, world.settings)
    return HealJob(stores=world.stores, control=world.control, look=look, apart=apart, fresh=0.0)


async def waiting(world: World) -> int:
    row = await world.one("select count(*) as n from heals where space_id = %(space_id)s")
    return int(row.n)


def drives_with(place: Place, key: str) -> int:
    return sum((drive / BUCKET / key / "xl.meta").exists() for drive in place.drives)


async def told(world: World, away: int) -> None:
    end = time.monotonic() + SECONDS
    while await drives.look(world.settings) != Drives(away, len(DRIVES)):
        assert time.monotonic() < end
        time.sleep(0.5)


async def test_what_a_drive_missed_is_on_it_after_the_job(
    spread: World, laboured: Labour, place: Place
) -> None:
    await told(spread, away=0)
    for file in (File.small(300_000), File.large()):
        await spread.put(file)
    keys = list(await spread.objects())
    for key in keys:  # as a drive has it that was away; one that is lost is healed by itself
        shutil.rmtree(place.drives[-1] / BUCKET / key)
    assert await laboured.run(job(spread)) == {"asked": 2, "healed": 2}
    end = time.monotonic() + 30
    while [drives_with(place, key) for key in keys] != [4, 4]:
        assert time.monotonic() < end
        time.sleep(0.2)


async def test_nothing_is_asked_for_while_a_drive_is_away(
    spread: World, laboured: Labour, place: Place
) -> None:
    await told(spread, away=0)
    drive = place.drives[-1]
    drive.rename(drive.with_name("away"))
    drive.write_text("what is here now is no drive")
    await told(spread, away=1)
    await spread.put(File.small())
    assert await laboured.run(job(spread)) == {}
    assert await waiting(spread) == 1
    drive.unlink()
    drive.with_name("away").rename(drive)
    await told(spread, away=0)
    assert await laboured.run(job(spread)) == {"asked": 1, "healed": 1}
    assert await waiting(spread) == 0


async def test_each_is_asked_for_twice_with_a_pause(spread: World, laboured: Labour) -> None:
    await told(spread, away=0)
    await spread.put(File.small())
    heal = job(spread, apart=1.0)
    assert await laboured.run(heal) == {"asked": 1}
    assert await laboured.run(heal) == {}
    time.sleep(1.0)
    assert await laboured.run(heal) == {"healed": 1}
    assert await laboured.run(heal) == {}


async def test_one_that_is_gone_holds_nothing_up(spread: World, laboured: Labour) -> None:
    await told(spread, away=0)
    await spread.put(File.small())
    await spread.control.delete_many(list(await spread.objects()))
    assert await laboured.run(job(spread)) == {"asked": 1, "healed": 1}


async def test_one_that_can_not_be_looked_at_holds_no_other_up(
    spread: World, laboured: Labour, place: Place
) -> None:
    await told(spread, away=0)
    await spread.put(File.small())
    (broken,) = await spread.objects()
    for drive in place.drives[1:]:
        (drive / BUCKET / broken / "xl.meta").write_bytes(b"what is here now is no metadata")
    with pytest.raises(StoreUnavailable):
        await spread.control.head(broken)
    await spread.put(File.small())
    heal = job(spread)
    assert await laboured.run(heal) == {"asked": 1, "healed": 1}
    assert await laboured.run(heal) == {}
    assert await waiting(spread) == 1


async def test_nothing_is_taken_off_while_the_store_does_not_answer(
    spread: World, trash: Trash
) -> None:
    await told(spread, away=0)
    await spread.put(File.small())
    async with spread.unreachable() as nobody:
        cut_off = replace(spread, control=nobody)
        runner = Labour(cut_off, trash).runner()
        await runner.run(job(cut_off))
        assert runner.failures > 0
    nowhere = msgspec.structs.replace(spread.settings, endpoint="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable):
        await drives.look(nowhere)
    silent = replace(spread, settings=nowhere)
    assert await Labour(silent, trash).run(job(silent)) == {}
    assert await waiting(spread) == 1


async def test_a_store_without_redundancy_has_nothing_to_heal(world: World, labour: Labour) -> None:
    await world.put(File.small())
    look = functools.partial(drives.look, world.settings)
    minio = world.settings.kind == "minio"
    heal = HealJob(stores=world.stores, control=world.control, look=look if minio else None)
    end = time.monotonic() + SECONDS
    while not (done := await labour.run(heal)):
        assert time.monotonic() < end
        time.sleep(1)
    assert done == {"healed": 1}
