"""What the doctor says of a real store: of its drives, of its write quorum, of our credential."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.doctor import store as examined
from appliance.doctor.trust import trusting
from appliance.doctor.web import opened
from appliance.objects.control import ObjectControl
from appliance.settings import Credential, ObjectStore
from tests.objects.store_processes import Place, RunningStore, new_place, started


async def said(store: ObjectStore) -> list[tuple[str, str]]:
    async with ObjectControl(store) as control, opened(trusting(store.ca), 5.0) as web:
        lines = examined.judge(await examined.look(store, control, web))
    return [(line.code, line.seen) for line in lines]


async def until(store: ObjectStore, code: str) -> str:
    deadline = time.monotonic() + 60
    while (found := await said(store))[0][0] != code:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.5)
    return found[0][1]


async def test_a_store_that_is_well_and_one_that_does_not_know_us(store: RunningStore) -> None:
    assert [code for code, _ in await said(store.settings)] == ["store.ok"]
    stranger = msgspec.structs.replace(store.settings, control=Credential("stranger", "x" * 40))
    assert [code for code, _ in await said(stranger)] == ["store.refuses"]


@pytest.fixture
def four(tmp_path: Path) -> Iterator[Place]:
    """A MinIO of four drives, of which a write needs three."""
    place = new_place("minio", tmp_path, [f"drive{number}" for number in range(4)])
    with started(place):
        yield place


def _lose(drive: Path) -> None:
    """For good: MinIO would make a folder that is gone anew, and heal it."""
    drive.rename(drive.with_suffix(".lost"))
    drive.touch()


async def test_drives_that_are_taken_away_one_after_the_other(four: Place) -> None:
    """One less is a warning, and with another no write is possible any more."""
    assert await until(four.settings, "store.ok") == "write quorum of 3 drives"
    _lose(four.drives[3])
    assert (await until(four.settings, "store.degraded")).startswith("1 of 4 drives are away")
    _lose(four.drives[2])
    assert "needs 3 drives" in await until(four.settings, "store.no-write-quorum")
