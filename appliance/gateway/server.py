"""One gateway process: a listener, figures and health at a port of their own, a graceful stop.

On SIGTERM the listener closes, long polls answer at once, requests in flight have
FINISH_SECONDS; nginx has the other processes meanwhile. A second signal ends the process. SIGHUP
reads the listener's certificate anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import time
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import generate_latest

import appliance
from appliance.cache.metadata import MetadataCache
from appliance.gateway import tls
from appliance.gateway.app import make_app
from appliance.gateway.endpoint import Context
from appliance.gateway.health import add_health
from appliance.gateway.stopping import Stopping
from appliance.settings import GatewayTls, Settings
from appliance.telemetry import logs, metrics, systemd
from appliance.wiring import AppServices, wire

__all__ = ["FINISH_SECONDS", "serve"]

FINISH_SECONDS = 20.0
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
    async with (
        wire(settings) as services,
        _figures(meters, services, stopping, (settings.metrics_host, metrics_port)),
    ):
        app = make_app(Context(services, settings, stopping), meters)
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=FINISH_SECONDS,
            keepalive_timeout=75, max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES,
        )  # fmt: skip
        await runner.setup()
        context = _secured(settings.gateway_tls)
        await web.TCPSite(
            runner, settings.gateway_host, port, backlog=1024, ssl_context=context
        ).start()
        log.info("listening", port=port, metrics_port=metrics_port, tls=context is not None)
        async with systemd.announced():
            await stop.wait()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            log.info("stopping")
            systemd.tell(systemd.STOPPING)
            stopping.tell()
            await runner.cleanup()
    log.info("stopped")


def _secured(paths: GatewayTls | None) -> ssl.SSLContext | None:
    """The listener's context, which SIGHUP renews; without TLS, SIGHUP stays what it is."""
    if paths is None:
        return None
    log = logs.get_logger("gateway")
    context = tls.make_context(paths)

    def renew() -> None:
        try:
            tls.renew(context, paths)
        except OSError as error:  # ssl.SSLError is one
            log.error("certificate not renewed", reason=str(error))
        else:
            log.info("certificate read anew")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
    return context


@contextlib.asynccontextmanager
async def _figures(
    meters: metrics.Meters, services: AppServices, stopping: Stopping, place: tuple[str, int]
) -> AsyncIterator[None]:
    """Health too: who restarts processes one by one has no certificate of the edge."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(meters.registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    _follow(meters, services.cache, used=bool(services.settings.redis_url))
    app = web.Application()
    app.router.add_get("/metrics", scrape)
    add_health(app, services, stopping)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, *place).start()
    lag = asyncio.create_task(_measure_lag(meters))
    try:
        yield
    finally:
        lag.cancel()
        await runner.cleanup()


def _follow(meters: metrics.Meters, cache: MetadataCache, *, used: bool) -> None:
    meters.follow(
        metrics.CACHE_LOOKUPS, {("hit",): lambda: cache.hits, ("miss",): lambda: cache.misses}
    )
    meters.follow(metrics.CACHE_FAILURES, {(): lambda: cache.failures})
    if used:  # a cache that is switched off isn't down
        meters.follow(metrics.CACHE_UP, {(): lambda: float(cache.up)})


async def _measure_lag(meters: metrics.Meters) -> None:
    loop = asyncio.get_running_loop()
    gauge = meters.gauge(metrics.LOOP_LAG)
    while True:
        due = loop.time() + 1.0
        await asyncio.sleep(1.0)
        gauge.set(max(0.0, loop.time() - due))
