"""The threads that move bytes, as many at once as the pace allows.

Each thread keeps its own connections. Every transfer tells `moved` of each piece: it counts, and
raises Stopped once the run is being ended, so Ctrl-C doesn't wait for a part to be through.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

from appliance.client.transfer.pace import REQUEST_WORTH, Pace
from appliance.client.transfer.pipe import Address, Pipe

__all__ = ["Lanes", "Stopped"]

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

_INTERVAL = 0.5
_GROUP = 8
"""Small transfers that a lane does before it lets go: a hop between threads costs more than one."""


class Stopped(Exception):
    """The run is being ended; nothing is wrong with this transfer."""


class Lanes:
    """Use in one event loop; `moved`, `requested` and `pipe` are for the threads inside."""

    def __init__(
        self, tls: ssl.SSLContext, pace: Pace, on_bytes: Callable[[int], None] = lambda _: None
    ) -> None:
        self._tls = tls
        self._pace = pace
        self._on_bytes = on_bytes
        self._threads = ThreadPoolExecutor(pace.highest, "stowbay-lane")
        self._local = threading.local()
        self._pipes: list[Pipe] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._work = 0
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._saturated = False
        self._sampler: asyncio.Task[None] | None = None
        self.moved_bytes = 0

    @property
    def width(self) -> int:
        return self._pace.width

    async def __aenter__(self) -> Self:
        self._sampler = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        if self._sampler is not None:
            self._sampler.cancel()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        for pipe in self._pipes:
            pipe.close()

    async def run(self, transfer: Callable[[], T]) -> T:
        """One transfer, as soon as there is a lane."""
        await self._enter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, transfer)
        finally:
            self._leave()

    async def drain(self, items: Sequence[I], transfer: Callable[[I], T]) -> list[T]:
        """Many small transfers; answers in the order of the items."""
        groups = [items[at : at + _GROUP] for at in range(0, len(items), _GROUP)]

        def several(group: Sequence[I]) -> list[T]:
            return [transfer(item) for item in group]

        done = await asyncio.gather(*(self.run(partial(several, group)) for group in groups))
        return [answer for group in done for answer in group]

    def pipe(self, address: Address) -> Pipe:
        """This thread's connection to there."""
        table: dict[Address, Pipe] | None = getattr(self._local, "pipes", None)
        if table is None:
            table = self._local.pipes = {}
        if (found := table.get(address)) is None:
            found = table[address] = Pipe(address, self._tls)
            with self._lock:
                self._pipes.append(found)
        return found

    def moved(self, count: int) -> None:
        if self._stopping:
            raise Stopped
        with self._lock:
            self._work += count
            self.moved_bytes += count
        self._on_bytes(count)

    def requested(self) -> None:
        with self._lock:
            self._work += REQUEST_WORTH

    def pause(self, seconds: float) -> None:
        """A wait inside a lane that ends early when the run does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopping:
                raise Stopped
            time.sleep(min(left, 0.2))

    async def _enter(self) -> None:
        while self._busy >= self._pace.width:
            self._saturated = True
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._busy += 1

    def _leave(self) -> None:
        self._busy -= 1
        self._wake(self._pace.width - self._busy)

    def _wake(self, count: int) -> None:
        while self._waiting and count > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    async def _sample(self) -> None:
        before, since = self._work, time.monotonic()
        while True:
            await asyncio.sleep(_INTERVAL)
            now = time.monotonic()
            rate = (self._work - before) / (now - since)
            before, since = self._work, now
            self._pace = self._pace.observe(rate, self._saturated)
            self._saturated = bool(self._waiting)
            self._wake(self._pace.width - self._busy)
