"""Is the process alive, and can it do its work? For nginx, the supervisor and people.

live: the event loop answers. ready: Postgres and the store answer too; each is asked at most once
in FRESH_SECONDS whoever asks, and Redis is only reported, as nothing needs it. No address, no name
and no error text is told: who may know reads the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from appliance.gateway.stopping import Stopping
from appliance.telemetry import logs
from appliance.wiring import AppServices

__all__ = ["FRESH_SECONDS", "Readiness", "add_health"]

FRESH_SECONDS = 3.0
_PATIENCE = 3.0

Probe = Callable[[], Awaitable[Any]]


class Readiness:
    """The state of each part, as of the last few seconds."""

    def __init__(self, required: dict[str, Probe], cache_up: Callable[[], Awaitable[bool]]) -> None:
        self._required = required
        self._cache_up = cache_up
        self._asked = -FRESH_SECONDS
        self._parts: dict[str, str] = {}
        self._turn = asyncio.Lock()
        self._log = logs.get_logger("health")

    async def parts(self) -> dict[str, str]:
        async with self._turn:
            if time.monotonic() - self._asked >= FRESH_SECONDS:
                states = await asyncio.gather(*map(self._state, self._required))
                self._parts = dict(zip(self._required, states, strict=True))
                self._parts["cache"] = "ok" if await self._cache_up() else "down"
                self._asked = time.monotonic()
        return self._parts

    async def _state(self, name: str) -> str:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._required[name]()
        except Exception as error:
            self._log.warning("not ready", part=name, error=type(error).__name__)
            return "down"
        return "ok"

    def ready(self, parts: dict[str, str]) -> bool:
        return all(parts[name] == "ok" for name in self._required)


def add_health(app: web.Application, services: AppServices, stopping: Stopping) -> None:
    readiness = Readiness(
        {"database": services.stores.ping, "store": services.control.ping}, services.cache.ping
    )

    async def live(_: web.Request) -> web.Response:
        return _answer(200, {"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        if stopping.told:
            return _answer(503, {"status": "stopping"})
        parts = await readiness.parts()
        good = readiness.ready(parts)
        return _answer(
            200 if good else 503, {"status": "ready" if good else "not ready", "parts": parts}
        )

    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)


def _answer(status: int, body: dict[str, Any]) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "2"
    return web.Response(status=status, body=msgspec.json.encode(body), headers=headers)
