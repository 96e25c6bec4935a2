"""One change of a space at a time, within this process.

The row lock would do it too, but each of those who wait for it holds a connection: one busy space
would starve all others of the pool. Here they wait without one, first come first served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    def __init__(self) -> None:
        self._locks: dict[int, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: int) -> AsyncIterator[None]:
        lock, interested = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = lock, interested + 1
        try:
            async with lock:
                yield
        finally:
            lock, interested = self._locks[key]
            if interested == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, interested - 1
