"""The way to Redis: bounded in time, never an error, and blind to what an earlier Redis held.

Three rules keep a cache that may vanish from ever giving a wrong answer:

1. A connection is used only after it has seen the server's own run id under `stowbay:run`. A
   server that was started from a dump holds another one there, and is flushed first.
2. A call takes at most about `patience`. The first that fails opens the breaker: for `pause`
   seconds all others get nothing at once, then one call per pause tries again.
3. Who could not deliver an invalidation flushes everything before it reads or writes again. Until
   it can, entries die by themselves (metadata.ENTRY_SECONDS).

A Redis that answers with an error (READONLY of a master that was demoted, NOREPLICAS of one that
is cut off, MISCONF, OOM) is left, too: the next try connects anew, and so finds who is master now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from appliance.cache.channel import Channel, Word, open_channel

__all__ = ["RUN_KEY", "Link"]

RUN_KEY = "stowbay:run"

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
    ) -> None:
        self._url = url
        self._monotonic = monotonic
        self._patience = patience
        self._pause = pause
        self._channel: Channel | None = None
        self._connecting = asyncio.Lock()
        self._shut_until = 0.0
        self._broken = False
        self._owes_flush = False
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
        """An invalidation: if it can't be delivered, all that it might concern is flushed later."""
        if not self._url:
            return
        delivered = False
        try:
            answers = await asyncio.gather(*map(self._call, commands))
            delivered = all(done for done, _ in answers)
        finally:
            if not delivered:
                self._owes_flush = True

    async def _call(self, words: tuple[Word, ...]) -> tuple[bool, Any]:
        if not self._url or not self._may_try():
            return False, None
        channel = self._channel
        try:
            if channel is None or not channel.open:
                channel = await self._connected()
            if self._owes_flush:
                await channel.call("FLUSHDB")
                self._owes_flush = False
            reply = await channel.call(*words)
        except (OSError, TimeoutError):
            self.failures += 1
            if channel is not None:
                channel.close()
            self._broken = True
            self._shut_until = self._monotonic() + self._pause
            return False, None
        self._broken = False
        return True, reply

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
                channel = await open_channel(self._url, self._patience)
                try:
                    await _adopt(channel)
                except BaseException:
                    channel.close()
                    raise
                self._channel = channel
            return self._channel

    async def close(self) -> None:
        if self._channel is not None:
            self._channel.close()


async def _adopt(channel: Channel) -> None:
    told: bytes = await channel.call("INFO", "server")
    run_id = next(line[7:] for line in told.splitlines() if line.startswith(b"run_id:"))
    await channel.call("EVAL", _ADOPT, 1, RUN_KEY, run_id)
