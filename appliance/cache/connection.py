"""The way to Redis: bounded in time, never an error, and blind to what an earlier Redis held.

Four rules keep a cache that may vanish from ever giving a wrong answer:

1. A connection is used only after it has seen the server's own run id under `stowbay:run`. A
   server that was started from a dump holds another one there, and is flushed first.
2. A call takes at most about `patience`. The first that fails opens the breaker: for `pause`
   seconds all others get nothing at once, then one call per pause tries again.
3. Who could not deliver an invalidation flushes everything before it reads or writes again.
4. Each process writes to Redis all the time; when its last write that succeeded is older than
   `lease` it flushes first, as others may have failed meanwhile to tell it what changed. Who can't
   deliver an invalidation says that the change is made only when it could flush after all, or
   when nobody who lost Redis with it holds a lease any more (leases: Gray and Cheriton, 1989).

So a change is announced late, by `lease` and the next beat at most, and only in the first moments
without Redis. Two things are left, each for metadata.ENTRY_SECONDS and never for a reader who has
seen the change (`min_seq`): what a process that alone is cut off from Redis can't tell the others,
and an entry that a reader, overtaken by the change, puts back after a flush took the mark away.

A Redis that answers with an error (READONLY of a master that was demoted, NOREPLICAS of one that
is cut off, MISCONF, OOM) is left, too: the next try connects anew, and so finds who is master now.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

from appliance.cache.channel import Channel, Word, open_channel

__all__ = ["BEAT_KEY", "RUN_KEY", "Link"]

RUN_KEY = "stowbay:run"
BEAT_KEY = "stowbay:beat"

_ADOPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('FLUSHDB')
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
"""


class Link:
    """One process's use of one Redis. An empty `url` switches the cache off."""

    def __init__(
        self,
        url: str,
        *,
        monotonic: Callable[[], float],
        patience: float = 0.05,
        pause: float = 1.0,
        lease: float = 1.0,
    ) -> None:
        self._url = url
        self._monotonic = monotonic
        self._patience = patience
        self._pause = pause
        self._lease = lease
        self._channel: Channel | None = None
        self._connecting = asyncio.Lock()
        self._shut_until = 0.0
        self._broken = False
        self._lost_at: float | None = None
        self._failed_at = -math.inf
        self._leased_until = -math.inf
        self._flushes_owed = 0  # ever, and ...
        self._flushes_paid = 0
        self._beating: asyncio.Task[None] | None = None
        self._beaten = asyncio.Event()
        self._closed = False
        self.failures = 0
        """Calls that found no answer in time, since the start of the process."""

    @property
    def up(self) -> bool:
        """As far as the last call knows."""
        return self._channel is not None and not self._broken

    async def ask(self, *words: Word) -> Any:
        """The reply; None also when there is none in time."""
        return (await self._call(words))[1]

    async def tell(self, *commands: tuple[Word, ...]) -> None:
        """An invalidation. It is delivered, or flushed, or waited for as rule 4 says."""
        if not self._url:
            return
        began = self._monotonic()
        delivered = False
        try:
            answers = await asyncio.gather(*map(self._call, commands))
            delivered = all(done for done, _ in answers)
        finally:
            if not delivered:
                self._flushes_owed += 1
        if not delivered:
            debt = self._flushes_owed
            lapsed = (self._lost_at or began) + self._lease
            while self._flushes_paid < debt and self._failed_at < lapsed and not self._closed:
                await self._beaten.wait()

    async def _call(self, words: tuple[Word, ...], *, shut: bool = True) -> tuple[bool, Any]:
        if not self._url or (shut and not self._may_try()):
            return False, None
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name="cache-lease")
        asked = self._monotonic()
        channel = self._channel
        try:
            if channel is None or not channel.open:
                channel = await self._connected()
            await self._settle(channel, asked)
            reply = await channel.call(*words)
        except (OSError, TimeoutError):
            self.failures += 1
            if channel is not None:
                channel.close()
            self._broken = True
            self._shut_until = self._monotonic() + self._pause
            self._failed_at = asked
            if self._lost_at is None:
                self._lost_at = asked
            return False, None
        self._broken = False
        self._lost_at = None
        return True, reply

    async def _settle(self, channel: Channel, now: float) -> None:
        """The flush that is owed, if one is."""
        if now > self._leased_until and self._flushes_paid == self._flushes_owed:
            self._flushes_owed += 1
        if self._flushes_paid < self._flushes_owed:
            debt = self._flushes_owed
            await channel.call("FLUSHDB")
            self._flushes_paid = max(self._flushes_paid, debt)
            self._renew(now)

    def _renew(self, now: float) -> None:
        self._leased_until = max(self._leased_until, now + self._lease)

    async def _beat(self) -> None:
        """A write, as a replica that was a master may still answer reads. Knows no breaker."""
        while True:
            now = self._monotonic()
            if (await self._call(("SET", BEAT_KEY, b"", "EX", 1), shut=False))[0]:
                self._renew(now)
            beaten, self._beaten = self._beaten, asyncio.Event()
            beaten.set()
            await asyncio.sleep(self._lease / 4)

    def _may_try(self) -> bool:
        if not self._broken:
            return True
        now = self._monotonic()
        if now < self._shut_until:
            return False
        self._shut_until = now + self._pause  # this call is the one that tries
        return True

    async def _connected(self) -> Channel:
        async with self._connecting, asyncio.timeout(2 * self._patience):
            if self._channel is None or not self._channel.open:
                began = self._monotonic()
                channel = await open_channel(self._url, self._patience)
                try:
                    await _adopt(channel)
                except BaseException:
                    channel.close()
                    raise
                self._channel = channel
                if self._leased_until == -math.inf:
                    self._renew(began)
            return self._channel

    async def close(self) -> None:
        self._closed = True
        self._beaten.set()
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        if self._channel is not None:
            self._channel.close()


async def _adopt(channel: Channel) -> None:
    told: bytes = await channel.call("INFO", "server")
    run_id = next(line[7:] for line in told.splitlines() if line.startswith(b"run_id:"))
    await channel.call("EVAL", _ADOPT, 1, RUN_KEY, run_id)
