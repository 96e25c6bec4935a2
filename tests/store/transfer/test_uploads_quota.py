"""What is reserved, held and given back; the quota is passed by nobody."""

from __future__ import annotations

import asyncio

from .world import File, World


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
