"""What a worker tells of the databases: whether each takes writes, and uploads that got stuck."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from datetime import timedelta

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.settings import Database
from appliance.store.pools import Stores
from appliance.store.writable import why_not_writable
from appliance.telemetry.metrics import Meters
from appliance.workers.figures import Figures

from .. import postgres
from ..homes import MovableClock
from .world import CrashError, File, World, crash_at


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read(port: int) -> dict[tuple[str, ...], float]:
    """(name, *label values) -> figure, as Prometheus would see it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


async def scraped(figures: Figures, wanted: set[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """What the port says once it says something of all that is wanted."""
    port = free_port()
    async with figures.serve(port):
        for _ in range(100):
            found = await asyncio.to_thread(read, port)
            if wanted <= found.keys():
                return found
            await asyncio.sleep(0.1)
    raise AssertionError(f"{wanted - found.keys()} never came")


async def test_each_database_that_takes_writes_is_told(
    world: World, databases: tuple[Database, ...]
) -> None:
    figures = Figures(Meters("worker"), world.stores, databases, world.clock)
    wanted = {("stowbay_database_writable", each.name) for each in databases}
    found = await scraped(figures, {*wanted, ("stowbay_uploads_stuck",), ("stowbay_heals_late",)})
    assert {found[name] for name in wanted} == {1.0}
    for each in databases:
        with psycopg.connect(each.write_dsn) as conn:
            left = conn.execute("select 1 from pg_class where relname = 'stowbay_write_probe'")
            assert left.fetchall() == [], "the probe leaves nothing"


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("default_transaction_read_only", "on", "25006"),  # a primary that was demoted
        ("synchronous_standby_names", "nobody", "no answer in 2 s"),  # no standby acknowledges
    ],
)
async def test_a_database_that_takes_no_writes_is_told_until_it_does(
    setting: str, value: str, what: str, clock: MovableClock
) -> None:
    with postgres.running() as cluster:
        alone = Database("alone", cluster.dsn(), cluster.dsn())

        def change(statement: str) -> None:
            with psycopg.connect(alone.write_dsn, autocommit=True) as conn:
                conn.execute(statement)
                conn.execute("select pg_reload_conf()")

        async def told(writable: bool) -> str:
            """What is told, once it is this; a reload reaches the sessions a moment later."""
            for _ in range(50):
                why = await why_not_writable(stores, alone, patience=2.0)
                if writable == (not why):
                    return why
                await asyncio.sleep(0.1)
            raise AssertionError(f"never told that writable is {writable}")

        async with Stores.open((alone,), size=2) as stores:
            await told(True)
            change(f"alter system set {setting} = {value}")
            assert what in await told(False)
            change(f"alter system reset {setting}")
            await told(True)


async def test_a_database_that_is_gone_takes_no_writes(clock: MovableClock) -> None:
    gone = Database("gone", f"host=127.0.0.1 port={free_port()}", "")
    async with Stores.open((gone,), size=2) as stores:
        figures = Figures(Meters("worker"), stores, (gone,), clock, patience=1.0)
        found = await scraped(figures, {("stowbay_database_writable", "gone")})
        assert not found["stowbay_database_writable", "gone"]


def seen_later(world: World, databases: tuple[Database, ...], minutes: int) -> Figures:
    later = MovableClock()
    later.time = world.clock.now() + timedelta(minutes=minutes)
    return Figures(Meters("worker"), world.stores, databases, later)


async def test_an_upload_is_stuck_after_a_quarter_of_an_hour(
    world: World, databases: tuple[Database, ...]
) -> None:
    async def stuck(minutes: int) -> int:
        return await seen_later(world, databases, minutes).stuck()

    before = await stuck(14), await stuck(16)
    file = File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    with pytest.raises(CrashError):
        await world.watched(crash_at("completing")).completion.complete(
            world.home.caller, outcome.upload.id
        )
    assert (await stuck(14), await stuck(16)) == (before[0], before[1] + 1)


async def test_a_blob_waits_for_healing_too_long_after_a_quarter_of_an_hour(
    world: World, databases: tuple[Database, ...]
) -> None:
    async def late(minutes: int) -> int:
        return await seen_later(world, databases, minutes).heals_late()

    before = await late(14), await late(16)
    file = File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    await world.completion.complete(world.home.caller, outcome.upload.id)
    assert (await late(14), await late(16)) == (before[0], before[1] + 1)
