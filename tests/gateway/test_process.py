"""The process itself: ready, figures, log, memory, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import psycopg
from aiohttp import ClientSession

from appliance.domain import ids

from .conftest import User, sign_in
from .running import Gateway, Site, free_port
from .test_every_route import _sent


async def test_health_tells_the_parts_and_no_secret(gateway: Gateway, http: ClientSession) -> None:
    live = await http.get(gateway.url + "/health/live")
    assert (live.status, await live.json()) == (200, {"status": "live"})
    ready = await http.get(gateway.url + "/health/ready")
    parts = {"database": "ok", "store": "ok", "cache": "ok"}
    assert (ready.status, await ready.json()) == (200, {"status": "ready", "parts": parts})


async def test_not_ready_without_its_parts(
    around: Site, http: ClientSession, tmp_path: Path
) -> None:

    closed = free_port()
    lost = msgspec.structs.replace(
        around.settings,
        store=msgspec.structs.replace(around.settings.store, endpoint=f"http://127.0.0.1:{closed}"),
        databases=(
            msgspec.structs.replace(
                around.settings.databases[0],
                write_dsn=f"host=127.0.0.1 port={closed} user=x dbname=y password=hidden",
                read_dsn=f"host=127.0.0.1 port={closed} user=x dbname=y password=hidden",
            ),
        ),
        redis_url=f"redis://:hidden@127.0.0.1:{closed}/0",
        metrics_port=free_port(),
    )
    alone = replace(around, place=tmp_path)
    alone.change(lost)
    gateway = Gateway(alone, until="live")
    try:
        answer = await http.get(gateway.url + "/health/ready")
        body = await answer.json()
        assert answer.status == 503
        assert body["parts"] == {"database": "down", "store": "down", "cache": "down"}
        wanted = await http.post(
            gateway.url + "/api/v1/session", json={"login": "a", "password": "b"}
        )
        assert wanted.status == 503
        assert (await wanted.json(content_type=None))["code"] == "database-unavailable"
        assert int(wanted.headers["Retry-After"]) >= 1
        assert "stowbay_cache_up 0.0" in await _figures(gateway, http)
    finally:
        gateway.stop()
    assert "hidden" not in gateway.log.read_text()


async def test_a_cache_that_is_switched_off_is_not_down(
    around: Site, http: ClientSession, tmp_path: Path
) -> None:
    alone = replace(around, place=tmp_path)
    alone.change(msgspec.structs.replace(around.settings, redis_url="", metrics_port=free_port()))
    gateway = Gateway(alone)
    try:
        figures = await _figures(gateway, http)
    finally:
        gateway.stop()
    assert "stowbay_cache_failures_total 0.0" in figures
    assert "stowbay_cache_up" not in figures


async def test_figures_and_log_lines(gateway: Gateway, user: User, http: ClientSession) -> None:
    for _ in range(3):
        answer, _ = await user.send("GET", f"/nodes/{user.root}?secret=zzz")
    figures = await _figures(gateway, http)
    assert 'route="/api/v1/nodes/{node}",status="200"' in figures
    assert 'stowbay_cache_lookups_total{result="hit"}' in figures
    assert "stowbay_cache_up 1.0" in figures
    assert 'stowbay_problems_total{code="internal"}' not in figures
    line = next(
        line for line in gateway.lines() if line.get("request_id") == answer.headers["X-Request-Id"]
    )
    assert line["path"] == f"/api/v1/nodes/{user.root}"
    text = gateway.log.read_text()
    assert user.token not in text and user.password not in text and "zzz" not in text


async def test_memory_stays_small(around: Site, user: User, http: ClientSession) -> None:
    """150 MiB is the promise; sign-ins hold 19 MiB each while they hash, two at once.

    A process of its own: the peak of one that others have fuzzed says nothing of this load.
    """
    gateway = Gateway(around, metrics_port=free_port())
    here = await sign_in(http, gateway, user.login, user.password)
    await asyncio.gather(
        *(sign_in(http, gateway, user.login, user.password) for _ in range(8)),
        *(here.get(f"/nodes/{user.root}") for _ in range(300)),
    )
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    gateway.stop()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 150 << 10, f"{peak} KiB"


async def test_a_stop_finishes_what_runs_and_ends_long_polls(
    around: Site, user: User, http: ClientSession
) -> None:
    gateway = Gateway(around, metrics_port=free_port())
    here = await sign_in(http, gateway, user.login, user.password)
    cursor = (await here.get(f"/spaces/{here.space}/changes"))["cursor"]
    poll = asyncio.create_task(
        here.send("GET", f"/spaces/{here.space}/changes?cursor={cursor}&wait=50")
    )
    upload = await _sent(here, b"what the last call is of")
    async with _row_held(around, upload):
        complete = asyncio.create_task(here.post(f"/uploads/{upload}/complete", None))
        async with asyncio.timeout(5):
            while await _in_flight(gateway, http) < 2:
                await asyncio.sleep(0)
        assert not poll.done()
        started = time.monotonic()
        os.kill(gateway.process.pid, signal.SIGTERM)
        answer, page = await poll
        assert answer.status == 200 and page["items"] == []
        assert not complete.done()
    assert (await complete)["state"] == "uploaded"
    assert await asyncio.to_thread(gateway.process.wait, 30) == 0
    assert time.monotonic() - started < 10


@asynccontextmanager
async def _row_held(around: Site, upload: str) -> AsyncIterator[None]:
    """No call changes the upload meanwhile; they wait."""
    async with (
        await psycopg.AsyncConnection.connect(around.settings.databases[0].write_dsn) as conn,
        conn.transaction(),
    ):
        held = await conn.execute(
            "select from uploads where space_id = %s and upload_id = %s for update",
            ids.decode("u", upload),
        )
        assert held.rowcount == 1
        yield


async def _in_flight(gateway: Gateway, http: ClientSession) -> float:
    text = await _figures(gateway, http)
    name = "stowbay_http_requests_in_flight "
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


async def _figures(gateway: Gateway, http: ClientSession) -> str:
    return await (await http.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics")).text()
