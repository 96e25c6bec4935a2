"""News travels between processes; silence never lasts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.client import PubSub

from appliance.cache.connection import Link
from appliance.cache.wakeups import Wakeups

from .conftest import RedisServer

SPACE = 1 << 60


async def _heard_from(wakeups: Wakeups) -> None:
    for _ in range(250):
        if wakeups.listening:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never subscribed")


@pytest.fixture
async def wakeups(redis_server: RedisServer) -> AsyncIterator[Wakeups]:
    link = Link(redis_server.url, monotonic=time.monotonic, pause=0.2)
    made = Wakeups(link, redis_server.url)
    made.start()
    await _heard_from(made)
    yield made
    await made.close()
    await link.close()


async def _took(waiting: asyncio.Task[None]) -> float:
    started = time.monotonic()
    await waiting
    return time.monotonic() - started


async def test_another_process_rings(wakeups: Wakeups, redis_server: RedisServer) -> None:
    link = Link(redis_server.url, monotonic=time.monotonic)
    other = Wakeups(link, "")
    waiting = asyncio.create_task(wakeups.wait(SPACE, 4, 10))
    bystander = asyncio.create_task(wakeups.wait(SPACE + 1, 4, 10))
    await asyncio.sleep(0.05)
    await other.publish(SPACE, 5)
    assert await _took(waiting) < 1
    assert not bystander.done()
    bystander.cancel()
    await link.close()


async def test_what_was_heard_before_the_wait_counts(wakeups: Wakeups) -> None:
    await wakeups.publish(SPACE, 9)
    assert await _took(asyncio.create_task(wakeups.wait(SPACE, 8, 10))) < 1
    assert await _took(asyncio.create_task(wakeups.wait(SPACE, 9, 0.2))) >= 0.15


async def test_the_deaf_look_for_themselves(wakeups: Wakeups, redis_server: RedisServer) -> None:
    waiting = asyncio.create_task(wakeups.wait(SPACE, 4, 10))
    await asyncio.sleep(0.05)
    redis_server.stop()
    assert await _took(waiting) < 2  # told that the line is dead
    assert 0.8 < await _took(asyncio.create_task(wakeups.wait(SPACE, 4, 10))) < 2
    redis_server.start()
    await _heard_from(wakeups)


async def test_nobody_is_remembered_after_waiting(wakeups: Wakeups) -> None:
    await asyncio.gather(*(wakeups.wait(space, 0, 0.05) for space in range(1, 50)))
    assert not wakeups._waiting


async def test_it_ends_though_a_cancellation_is_lost(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """redis-py loses one that meets the end of a timeout of its own; here each time."""
    subscribe = PubSub.subscribe

    async def losing(channel: PubSub, *names: str) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(5)
        await subscribe(channel, *names)

    monkeypatch.setattr(PubSub, "subscribe", losing)
    link = Link(redis_server.url, monotonic=time.monotonic)
    made = Wakeups(link, redis_server.url)
    made.start()
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(made.close())
    assert (await asyncio.wait([closing], timeout=3))[0]
    await link.close()
