"""Tells waiting readers that a space has news. A hint: the polled journal is the truth.

All spaces share one channel, "{space}:{seq}" a message, heard by one connection per process: a
message costs less than a subscription that comes and goes with every long poll.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from appliance.cache.connection import Link

__all__ = ["CHANNEL", "Wakeups"]

CHANNEL = "stowbay:wake"
_REMEMBERED = 10_000  # spaces
_HEARD_POLL = 15.0  # s between looks at the journal while messages arrive ...
_DEAF_POLL = 1.0  # ... and while they can't
_BEHIND = 0.05  # s for a replica to catch up with what was heard of


class Wakeups:
    """Listening holds a connection of its own; with an empty `url` nobody listens."""

    def __init__(self, link: Link, url: str) -> None:
        self._link = link
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0)) if url else None
        self._heard: OrderedDict[int, int] = OrderedDict()
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self.listening = False

    def start(self) -> None:
        if self._redis is not None and self._task is None:
            self._task = asyncio.create_task(self._listen(self._redis), name="wakeups")

    async def publish(self, space_id: int, seq: int) -> None:
        self._note(space_id, seq)
        await self._link.ask("PUBLISH", CHANNEL, f"{space_id}:{seq}")

    async def wait(self, space_id: int, seq: int, timeout: float) -> None:
        """Until something after `seq` is heard of, or it is time to look for oneself.

        Returns after `timeout` seconds at the latest, often earlier and sometimes for nothing:
        read the journal again, and call again while there is time.
        """
        if self._heard.get(space_id, -1) > seq:
            await asyncio.sleep(_BEHIND)
            return
        bell = asyncio.get_running_loop().create_future()
        bells = self._waiting.setdefault(space_id, set())
        bells.add(bell)
        try:
            poll = _HEARD_POLL if self.listening else _DEAF_POLL
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(timeout, poll)):
                    await bell
        finally:
            bells.discard(bell)
            if not bells and self._waiting.get(space_id) is bells:
                del self._waiting[space_id]

    def _note(self, space_id: int, seq: int) -> None:
        if seq <= self._heard.get(space_id, -1):
            return
        self._heard[space_id] = seq
        self._heard.move_to_end(space_id)
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        for bell in self._waiting.pop(space_id, ()):
            if not bell.done():
                bell.set_result(None)

    async def _listen(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        self.listening = True
                        if message["type"] == "message":
                            space, _, seq = message["data"].partition(b":")
                            self._note(int(space), int(seq))
            except (RedisError, OSError, TimeoutError):
                pass
            finally:
                self.listening = False
            self._ring_all()
            await asyncio.sleep(_DEAF_POLL)

    def _ring_all(self) -> None:
        """Whoever waits now waited for messages that no longer come."""
        for bells in self._waiting.values():
            for bell in bells:
                if not bell.done():
                    bell.set_result(None)
        self._waiting.clear()

    async def close(self) -> None:
        if self._task is not None:
            # redis-py takes a cancellation that meets the end of its own timeout for that one.
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=0.1)
        if self._redis is not None:
            await self._redis.aclose()
