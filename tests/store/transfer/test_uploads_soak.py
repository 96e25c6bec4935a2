"""Many clients and workers at once, cut off by chance: nothing is lost, nothing is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from appliance.domain.errors import Problem
from appliance.services.changing import Changer
from appliance.services.trash import Trash

from .labour import Labour
from .world import CrashError, File, World


@dataclass
class Chance:
    """Ends one in `odds` steps; the same seed gives the same choices in the same order."""

    dice: random.Random
    odds: int = 6
    ended: int = 0

    def observe(self) -> Callable[[str], None]:
        def maybe(step: str) -> None:
            if self.dice.randrange(self.odds) == 0:
                self.ended += 1
                raise CrashError(step)

        return maybe


async def client(world: World, file: File, dice: random.Random, chance: Chance) -> None:
    """Tries a few things with one file; a crash ends one call, as that of a gateway would."""
    for _ in range(6):
        broken = world.watched(chance.observe())
        try:
            (outcome,) = await broken.begin(file)
            if outcome.upload is None or outcome.status == "known":
                continue
            for url in outcome.urls:
                if dice.random() < 0.8:
                    await world.send(url, file.pieces[url.part - 1])
            if dice.random() < 0.25:
                await broken.completion.abort(world.home.caller, outcome.upload.id)
            else:
                await broken.completion.complete(world.home.caller, outcome.upload.id)
        except (CrashError, Problem):
            continue


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_is_cut_off_rows_and_store_agree_in_the_end(
    world: World, changer: Changer, seed: int
) -> None:
    dice = random.Random(seed)
    chance = Chance(dice)
    trash = Trash(changer=changer, limits=world.limits)
    files = [File.small() for _ in range(6)] + [File.large() for _ in range(4)]
    await asyncio.gather(*(client(world, file, dice, chance) for file in files for _ in range(2)))
    assert chance.ended > 10
    keys = {row.object_key for row in await rows_of(world, "select object_key from uploads")}

    world.clock.forward(days=7, hours=3)
    labour = Labour(world, trash)
    for _ in range(20):
        broken = Labour(world.watched(chance.observe()), trash)
        try:
            await broken.run(broken.uploads)
        except (CrashError, AssertionError):
            continue
    await labour.run(labour.uploads)
    world.clock.forward(hours=3)
    await labour.run(labour.uploads)
    assert await rows_of(world, "select upload_id from uploads") == []
    live = {
        row.object_key: row.fingerprint
        for row in await rows_of(world, "select object_key, fingerprint from blobs")
    }
    assert live
    assert (await world.objects()).keys() == live.keys()
    bodies = {fingerprint_of(file): file.body for file in files}
    for key, fingerprint in live.items():
        assert await world.bytes_of(key) == bodies[fingerprint]
    await labour.run(labour.reconcile)
    (audit,) = await rows_of(world, "select found from audits")
    assert audit.found == {"orphan": 0, "lost": 0, "size": 0, "upload": 0}
    assert [await world.unfinished(key) for key in keys] == [0] * len(keys)

    world.clock.forward(days=2)
    await labour.run(labour.blobs)
    world.clock.forward(days=8)
    await labour.run(labour.blobs)
    assert await world.objects() == {}


def fingerprint_of(file: File) -> bytes:
    return bytes.fromhex(str(file.asked().fingerprint))


async def rows_of(world: World, select: str) -> list:
    async with world.stores.tx(world.home.space_id) as conn:
        cursor = await conn.execute(
            f"{select} where space_id = %(space_id)s", {"space_id": world.home.space_id}
        )
        return await cursor.fetchall()
