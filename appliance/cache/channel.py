"""One connection to Redis on which all calls of a process travel, in order, without waiting.

redis-py's pool takes a connection and about 90 µs of CPU for each call; this takes one write and
one read for whatever came up in the same turn of the event loop, about 20 µs. It knows nothing of
what the commands mean and retries nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url

__all__ = ["Channel", "Word", "open_channel"]

Word = str | bytes | int


class Channel(asyncio.Protocol):
    """Ends (ConnectionError for all who wait) when no reply came for `patience` to two times that.

    Two ticks of a timer must pass with nothing read in between, so that an event loop that was
    busy elsewhere isn't taken for a Redis that doesn't answer.
    """

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick = patience / 2
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._replies = 0
        self._replies_at_tick = -1

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def call(self, *words: Word) -> asyncio.Future[Any]:
        """The reply. Who stops waiting for it hasn't taken the command back."""
        if not self.open:
            raise ConnectionError("the connection to Redis is closed")
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(reply)
        if not self._unsent:
            self._loop.call_soon(self._send)
        stub_wants_one: Any = words
        self._unsent.append(hiredis.pack_command(stub_wants_one))
        if self._timer is None:
            self._watch()
        return reply

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's isn't one by class

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._replies += 1
            waiting = self._waiting.popleft()
            if waiting.done():
                continue
            if isinstance(reply, hiredis.HiredisError):
                waiting.set_exception(ConnectionError(str(reply)))
            else:
                waiting.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(ConnectionError("the connection to Redis was lost"))

    def _send(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _watch(self) -> None:
        self._replies_at_tick = self._replies
        self._timer = self._loop.call_later(self._tick, self._first_tick)

    def _first_tick(self) -> None:
        if self._waiting and self._replies == self._replies_at_tick:
            self._timer = self._loop.call_later(self._tick, self._second_tick)
        elif self._waiting:
            self._watch()
        else:
            self._timer = None

    def _second_tick(self) -> None:
        if self._waiting and self._replies == self._replies_at_tick:
            self._timer = None
            self.close()
        else:
            self._first_tick()


async def open_channel(url: str, patience: float) -> Channel:
    """Signed in and on its database; OSError when that fails."""
    at = parse_url(url)
    loop = asyncio.get_running_loop()
    if "path" in at:
        _, channel = await loop.create_unix_connection(lambda: Channel(patience), at["path"])
    else:
        host, port = at.get("host", "localhost"), at.get("port", 6379)
        _, channel = await loop.create_connection(lambda: Channel(patience), host, port)
    try:
        if "password" in at:
            await channel.call("AUTH", at.get("username", "default"), at["password"])
        if at.get("db"):
            await channel.call("SELECT", at["db"])
    except BaseException:
        channel.close()
        raise
    return channel
