"""The way to Redis: bounded in time, never an error, and blind to what an earlier Redis held.

Three rules keep a cache that may vanish from ever giving a wrong answer:

1. A connection is used only after it has seen the server's own run id under `stowbay:run`. A
   server that was started from a dump holds another one there, and is flushed first.
2. A call takes at most `patience`. The first that fails opens the breaker: for `pause` seconds
   all others get their fallback at once, then one call per pause tries again.
3. Who could not deliver an invalidation flushes everything before it reads or writes again. Until
   it can, entries die by themselves (metadata.ENTRY_SECONDS).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

__all__ = ["RUN_KEY", "Link", "adopt", "client"]

T = TypeVar("T")
RUN_KEY = "stowbay:run"

_ADOPT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('FLUSHDB')
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
"""


async def adopt(connection: AbstractConnection) -> None:
    """Runs on every new connection, before its first command."""
    await connection.on_connect()
    await connection.send_command("INFO", "server")
    told = await connection.read_response()
    text = told.decode("ascii", "replace") if isinstance(told, bytes) else str(told)
    run_id = next(line[7:] for line in text.splitlines() if line.startswith("run_id:"))
    await connection.send_command("EVAL", _ADOPT, 1, RUN_KEY, run_id)
    await connection.read_response()


def client(url: str, *, connections: int = 256) -> Redis:
    """No retries and no health checks of its own: Link decides what a failure means."""
    pool = ConnectionPool.from_url(
        url,
        max_connections=connections,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=adopt,
        socket_connect_timeout=1.0,
    )
    return Redis(connection_pool=pool)


class Link:
    """One process's use of one Redis. `redis` is None where the cache is switched off."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        monotonic: Callable[[], float],
        patience: float = 0.05,
        pause: float = 1.0,
    ) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._patience = patience
        self._pause = pause
        self._shut_until = 0.0
        self._broken = False
        self._owes_flush = False
        self.failures = 0
        """Calls that found no answer in time, since the start of the process."""

    @property
    def up(self) -> bool:
        """As far as the last call knows."""
        return self._redis is not None and not self._broken

    async def ask(self, work: Callable[[Redis], Awaitable[T]], otherwise: T) -> T:
        """The answer of `work`, or `otherwise` when there is none in time."""
        if self._redis is None or not self._may_try():
            return otherwise
        try:
            async with asyncio.timeout(self._patience):
                if self._owes_flush:
                    await self._redis.flushdb()
                    self._owes_flush = False
                answer = await work(self._redis)
        except (RedisError, OSError, TimeoutError):
            self.failures += 1
            self._broken = True
            self._shut_until = self._monotonic() + self._pause
            return otherwise
        self._broken = False
        return answer

    async def tell(self, work: Callable[[Redis], Awaitable[Any]]) -> None:
        """An invalidation: if it can't be delivered, all that it might concern is flushed later."""

        async def told(redis: Redis) -> bool:
            await work(redis)
            return True

        try:
            delivered = await self.ask(told, False)
        except asyncio.CancelledError:
            self._owes_flush = self._redis is not None
            raise
        if not delivered and self._redis is not None:
            self._owes_flush = True

    def _may_try(self) -> bool:
        if not self._broken:
            return True
        now = self._monotonic()
        if now < self._shut_until:
            return False
        self._shut_until = now + self._pause  # this call is the one that tries
        return True

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
            await self._redis.connection_pool.disconnect()
