"""One gateway process: a listener on loopback, the figures on a port beside it, a graceful stop.

On SIGTERM the listener closes, long polls answer at once, requests in flight have
FINISH_SECONDS; nginx has the other processes meanwhile. A second signal ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import generate_latest

import appliance
from appliance.cache.metadata import MetadataCache
from appliance.gateway.app import make_app
from appliance.gateway.endpoint import Context
from appliance.gateway.stopping import Stopping
from appliance.settings import Settings
from appliance.telemetry import logs, metrics
from appliance.wiring import AppServices, wire

__all__ = ["FINISH_SECONDS", "serve"]

FINISH_SECONDS = 20.0
_LOOPBACK = "127.0.0.1"
_LINE_BYTES = 1 << 16  # nginx, in front, allows less


async def serve(settings: Settings, port: int, metrics_port: int) -> None:
    log = logs.get_logger("gateway")
    stopping = Stopping()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # It tells of requests that aren't HTTP, query strings and all; ours are told by middlewares.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    meters = metrics.Meters("gateway")
    meters.gauge(metrics.START_TIME).labels(appliance.__version__).set(time.time())
    async with wire(settings) as services, _figures(meters, services, metrics_port):
        app = make_app(Context(services, settings, stopping), meters)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=FINISH_SECONDS,
            keepalive_timeout=75, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES,
        )  # fmt: skip
        await runner.setup()
        await web.TCPSite(runner, _LOOPBACK, port, backlog=1024).start()
        log.info("listening", port=port, metrics_port=metrics_port)
        await stop.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        log.info("stopping")
        stopping.tell()
        await runner.cleanup()
    log.info("stopped")


@contextlib.asynccontextmanager
async def _figures(meters: metrics.Meters, services: AppServices, port: int) -> AsyncIterator[None]:
    async def scrape(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(meters.registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    _follow(meters, services.cache)
    app = web.Application()
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, _LOOPBACK, port).start()
    lag = asyncio.create_task(_measure_lag(meters))
    try:
        yield
    finally:
        lag.cancel()
        await runner.cleanup()


def _follow(meters: metrics.Meters, cache: MetadataCache) -> None:
    meters.follow(
        metrics.CACHE_LOOKUPS, {("hit",): lambda: cache.hits, ("miss",): lambda: cache.misses}
    )
    meters.follow(metrics.CACHE_FAILURES, {(): lambda: cache.failures})
    meters.follow(metrics.CACHE_UP, {(): lambda: float(cache.up)})


async def _measure_lag(meters: metrics.Meters) -> None:
    loop = asyncio.get_running_loop()
    gauge = meters.gauge(metrics.LOOP_LAG)
    while True:
        due = loop.time() + 1.0
        await asyncio.sleep(1.0)
        gauge.set(max(0.0, loop.time() - due))
