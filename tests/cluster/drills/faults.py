"""The drills. Each breaks one thing, waits until the product has come round, mends it, and returns
when the cluster is whole again; what it saw goes into its report."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatch

from tests.cluster.addresses import CONTROLLER, address
from tests.cluster.places import REPOSITORY

from .alerts import firing
from .hosts import Cluster, CommandFailed, not_restarted, until
from .load import Load, problem_code
from .pieces import everywhere

__all__ = ["DRILLS", "Drill", "Scene"]

_WHOLE = 240.0  # s; a re-clone of Postgres and a rejoin of the store on two busy cores
_POSTGRES = "/var/lib/postgresql"
_DRIVE = "/srv/stowbay/drives/d1"
_ALERTED = 9  # percent of a drive that are left when its alert is due


@dataclass(frozen=True)
class Scene:
    cluster: Cluster
    load: Load
    ca: str

    async def healed(self, seconds: float = _WHOLE) -> str:
        took = await until(self.cluster.whole, seconds)
        return f"whole again after {took:.0f} s"

    async def drives_healed(self, seconds: float = 900) -> str:
        async def check() -> None:
            if away := await self.cluster.drives_away():
                raise CommandFailed(f"{away} drives of the store are away, or not healed")

        took = await until(check, seconds, every=5)
        return f"no drive away after {took:.0f} s"

    @asynccontextmanager
    async def restarted(self, pattern: str) -> AsyncIterator[int]:
        """Each service that runs, and is `HOST UNIT` by the pattern, must be another run of it
        afterwards. Gives their number."""
        services = await self.cluster.services()
        before = {name: run for name, run in services.items() if fnmatch(name, pattern)}
        if not before:
            raise CommandFailed(f"no {pattern} runs")
        yield len(before)
        if kept := not_restarted(before, await self.cluster.services()):
            raise AssertionError(f"not restarted, or gone: {kept}")

    async def writes_go_on(self, count: int = 20, seconds: float = 120) -> None:
        """Every writer gets so many more writes acknowledged."""
        wanted = {id(w): w.ledger.acknowledged + count for w in self.load.writers}

        async def check() -> None:
            for writer in self.load.writers:
                if writer.ledger.acknowledged < wanted[id(writer)]:
                    raise CommandFailed(f"{writer.folder}: writes don't go on")

        await until(check, seconds, every=0.5)

    async def uploads_go_on(self, count: int = 4, seconds: float = 120) -> None:
        ledger = self.load.uploader.ledger
        wanted = ledger.acknowledged + count

        async def check() -> None:
            if ledger.acknowledged < wanted:
                raise CommandFailed("uploads don't go on")

        await until(check, seconds, every=0.5)

    async def address_leaves(self, host: str, seconds: float = 60) -> tuple[str, float]:
        """Who holds the floating address instead, and after how many seconds."""
        new = ""

        async def check() -> None:
            nonlocal new
            holders = await self.cluster.holders()
            if len(holders) != 1 or host in holders:
                raise CommandFailed(f"the floating address is at {holders}, and was at {host}")
            (new,) = holders

        took = await until(check, seconds, every=0.5)
        return new, took


@dataclass(frozen=True)
class Drill:
    name: str
    what: str
    run: Callable[[Scene], Awaitable[str]]


async def postgres_killed(scene: Scene) -> str:
    """kill -9 of the primary's postmaster, of each shard in turn."""
    said = []
    for shard in scene.cluster.shards:
        host = await scene.cluster.leader(shard)
        await scene.cluster.shell(host, f"kill -9 $(head -1 {_POSTGRES}/17/{shard}/postmaster.pid)")
        await scene.writes_go_on()
        said.append(f"{shard} on {host}, {await scene.healed()}")
    return "; ".join(said)


async def shards_fail_over(scene: Scene) -> str:
    """Every shard's leader is moved by a crash of its Patroni and Postgres for good."""
    said = []
    for shard in scene.cluster.shards:
        host = await scene.cluster.leader(shard)
        async with scene.cluster.kept_down(host, f"patroni@{shard}.service"):
            await scene.writes_go_on()
            new = await scene.cluster.leader(shard)
            if new == host:
                raise AssertionError(f"{shard} is still led by {host}")
        said.append(f"{shard}: {host} to {new}, {await scene.healed()}")
    return "; ".join(said)


async def primary_host_lost(scene: Scene) -> str:
    """The plug of the host with the first shard's primary."""
    host = await scene.cluster.leader(scene.cluster.shards[0])
    await scene.cluster.power_cut(host)
    await scene.writes_go_on()
    await scene.cluster.boot(host)
    return f"{host}, {await scene.healed()}"


async def store_host_lost(scene: Scene) -> str:
    """The plug of a host that leads nothing, while uploads go on to the other two."""
    leaders = {await scene.cluster.leader(shard) for shard in scene.cluster.shards}
    host = next((h for h in reversed(scene.cluster.names) if h not in leaders), "c3")
    await scene.cluster.power_cut(host)
    await scene.writes_go_on()
    await scene.uploads_go_on()
    await scene.cluster.boot(host)
    return f"{host}, {await scene.healed()}"


async def store_killed(scene: Scene) -> str:
    """kill -9 of one host's part of the store; systemd starts it again."""
    host, unit = scene.cluster.names[0], "stowbay-store.service"
    async with scene.restarted(f"{host} {unit}"):
        await scene.cluster.run(host, "systemctl", "kill", "-s", "KILL", unit)
        await scene.writes_go_on()
        await scene.uploads_go_on()
        healed = await scene.healed()
    return f"{host}, {healed}"


async def host_rebuilt(scene: Scene) -> str:
    """A host burns down with its disks; the playbook makes it anew on an empty machine. The store's
    other drives must have what one of them missed in a drill before."""
    host = scene.cluster.names[0]
    await everywhere(scene.cluster)
    await scene.cluster.power_cut(host)
    await scene.writes_go_on()
    await scene.cluster.boot(host, fresh=True)
    await _playbook("site.yml")
    healed = f"{await scene.healed(420)}, {await scene.drives_healed()}"
    return f"{host}, {healed}, {await everywhere(scene.cluster)}"


async def redis_killed(scene: Scene) -> str:
    host, unit = await scene.cluster.redis_master(), "redis-server.service"
    async with scene.restarted(f"{host} {unit}"):
        await scene.cluster.shell(host, f"kill -9 $(systemctl show -P MainPID {unit})")
        await scene.writes_go_on()
        healed = await scene.healed()
    return f"{host}, {healed}"


async def edge_killed(scene: Scene) -> str:
    """All of nginx on the host that holds the address, at once; systemd starts it a second later,
    so the address may stay."""
    (host,) = await scene.cluster.holders()
    async with scene.restarted(f"{host} nginx.service"):
        await scene.cluster.run(host, "systemctl", "kill", "-s", "KILL", "nginx.service")
        await scene.writes_go_on()
        healed = await scene.healed()
    (after,) = await scene.cluster.holders()
    return f"the address at {host}, then at {after}, {healed}"


async def edge_lost(scene: Scene) -> str:
    """As before, and nginx stays away: the address has to move, and the clients follow it."""
    (host,) = await scene.cluster.holders()
    async with scene.cluster.kept_down(host, "nginx.service"):
        new, took = await scene.address_leaves(host)
        await scene.writes_go_on()
        await scene.uploads_go_on()
    return f"the address from {host} to {new} after {took:.0f} s, {await scene.healed()}"


async def gateway_killed(scene: Scene) -> str:
    (host,) = await scene.cluster.holders()
    units = "stowbay-gateway@*.service"
    async with scene.restarted(f"{host} {units}") as count:
        await scene.cluster.shell(host, f"systemctl kill -s KILL '{units}'")
        await scene.writes_go_on()
        healed = await scene.healed()
    return f"{count} processes on {host}, {healed}"


async def partition(scene: Scene) -> str:
    """The host of the first shard's primary hears and reaches no other host, for 45 s."""
    return await _cut_off(scene, both=True)


async def one_way(scene: Scene) -> str:
    """It reaches the others, and hears nothing from them."""
    return await _cut_off(scene, both=False)


async def _cut_off(scene: Scene, *, both: bool) -> str:
    host = await scene.cluster.leader(scene.cluster.shards[0])
    others = ", ".join(address(name) for name in scene.cluster.names if name != host)
    rules = ["add table inet drill",
             "add chain inet drill in { type filter hook input priority -300; }",
             f"add rule inet drill in ip saddr {{ {others} }} drop"]  # fmt: skip
    if both:
        rules += ["add chain inet drill out { type filter hook output priority -300; }",
                  f"add rule inet drill out ip daddr {{ {others} }} drop"]  # fmt: skip
    for rule in rules:
        await scene.cluster.run(host, "nft", rule)
    try:
        await scene.writes_go_on()
        await scene.address_leaves(host)
        await asyncio.sleep(10)
    finally:
        await scene.cluster.run(host, "nft", "delete table inet drill")
    return f"{host} (the clients at {CONTROLLER} reached it), {await scene.healed()}"


async def full_database_disk(scene: Scene) -> str:
    """Patroni keeps a leader whose inserts all fail: said, alerted, and healed by space alone."""
    shard = scene.cluster.shards[0]
    host = await scene.cluster.leader(shard)
    filler = f"{_POSTGRES}/filler"
    code = "database-unavailable"
    before = scene.load.told()[code]
    await scene.cluster.shell(
        host, f"dd if=/dev/zero of={filler} bs=1M 2>/dev/null; ls -l {filler}"
    )
    try:
        alerts = await _alerted(scene, {"PostgresTakesNoWrites"})
    finally:
        await scene.cluster.run(host, "rm", "-f", filler)
    await scene.writes_go_on()
    if not (told := scene.load.told()[code] - before):
        raise AssertionError(f"nobody was told {code}")
    healed = await scene.healed()
    return f"{host}; {told} times {code}; alerts: {', '.join(sorted(alerts))}; {healed}"


async def full_store_drive(scene: Scene) -> str:
    """The alert comes while there is room; without any, MinIO refuses every write, and says so.
    Until then uploads take the filler's room, not the drive's, which is large elsewhere."""
    host, filler = scene.cluster.names[-1], f"{_DRIVE}/filler"

    async def keep_room() -> None:
        await scene.cluster.shell(
            host, f"touch {filler}; set -- $(df --output=avail,size -B1 {_DRIVE} | tail -1); "
            f"set -- $(($(stat -c %s {filler}) + $1 - $2 * {_ALERTED} / 100)); "
            f"fallocate -l $1 {filler}; truncate -s $1 {filler}"
        )  # fmt: skip

    failures = scene.load.uploader.failures
    begun = len(failures)
    try:
        alerts = await _alerted(scene, {"StoreCapacityLate"}, 480, meanwhile=keep_room)
        early, before = len(failures), scene.load.uploader.ledger.acknowledged
        if refused_early := failures[begun:]:
            raise AssertionError(f"refused before the alert came: {refused_early}")
        await scene.cluster.shell(host, f"dd if=/dev/zero of={filler}2 bs=1M 2>/dev/null; true")

        async def refused() -> None:
            if len(failures) == early:
                raise CommandFailed("no upload was refused")

        await until(refused, 300)
        taken = scene.load.uploader.ledger.acknowledged - before
    finally:
        await scene.cluster.shell(host, f"rm -f {filler} {filler}2")
    await scene.writes_go_on()
    if unclear := [said for said in failures[begun:] if problem_code(said) != "store-full"]:
        raise AssertionError(f"the client didn't say that the store is full: {unclear}")
    said = failures[early].splitlines()[-1][:200]
    return (
        f"{host}; alerts: {', '.join(sorted(alerts))}, while every upload was taken; full: {taken} "
        f"more taken, then the client said: {said}; {await scene.healed()}"
    )


async def rolling_restart(scene: Scene) -> str:
    """Nobody's upload fails by it: what a part has begun, it ends before it goes."""
    failures = scene.load.uploader.failures
    begun = len(failures)
    async with scene.restarted("*") as count:
        await _playbook("restart.yml")
        await scene.writes_go_on()
        await scene.uploads_go_on()
        healed = await scene.healed()
    if failed := failures[begun:]:
        raise AssertionError(f"uploads failed: {failed}")
    return f"{count} services restarted, {healed}"


async def _playbook(name: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "ansible-playbook", name, cwd=REPOSITORY / "ansible",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"{name} failed:\n{said.decode()[-6000:]}")


async def _alerted(
    scene: Scene,
    any_of: set[str],
    seconds: float = 240,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> set[str]:
    """The alerts of these that fire, once one does."""
    seen: set[str] = set()

    async def check() -> None:
        nonlocal seen
        if meanwhile:
            await meanwhile()
        seen = await firing(scene.cluster) & any_of
        if not seen:
            raise CommandFailed(f"none of {sorted(any_of)} fires")

    await until(check, seconds, every=5)
    return seen


DRILLS = (
    Drill("postgres-killed", "kill -9 of each shard's primary", postgres_killed),
    Drill("shards-fail-over", "each shard's leader stopped for good", shards_fail_over),
    Drill("primary-host-lost", "power cut of the primary's host", primary_host_lost),
    Drill("store-host-lost", "power cut of a store host", store_host_lost),
    Drill("store-killed", "kill -9 of one store host's MinIO", store_killed),
    Drill("host-rebuilt", "a host lost with its disks, rebuilt by the playbook", host_rebuilt),
    Drill("redis-killed", "kill -9 of the Redis master", redis_killed),
    Drill("edge-killed", "kill -9 of nginx where the address is", edge_killed),
    Drill("edge-lost", "nginx killed there, and kept from starting", edge_lost),
    Drill("gateway-killed", "kill -9 of both gateways there", gateway_killed),
    Drill("partition", "the primary's host cut off, both ways", partition),
    Drill("one-way", "the primary's host hears nobody", one_way),
    Drill("full-database-disk", "no space under the primary", full_database_disk),
    Drill("full-store-drive", "no space on one store drive", full_store_drive),
    Drill("rolling-restart", "everything restarted, host by host", rolling_restart),
)
