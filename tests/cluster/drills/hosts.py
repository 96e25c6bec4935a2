"""The cluster from inside the lab: commands on hosts, who leads what, what is whole."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.addresses import FLOATING, address
from tests.cluster.lab import ask
from tests.cluster.places import Lab

__all__ = ["Cluster", "CommandFailed", "not_restarted", "until", "whole_shard"]

CA = "/etc/stowbay/pki/ca.pem"
# Of every service of ours that runs: its name, and what systemd calls this run of it.
_SERVICES = (
    "systemctl list-units --type=service --state=running --plain --no-legend "
    "'stowbay-*' 'patroni*' etcd.service haproxy.service keepalived.service nginx.service "
    "'redis-*' 'prometheus*' | while read -r unit more; do "
    'echo "$unit $(systemctl show -P InvocationID "$unit")"; done'
)


class CommandFailed(Exception):
    pass


@dataclass(frozen=True)
class Cluster:
    lab: Lab
    names: tuple[str, ...]
    ports: Mapping[str, int]
    """Of each shard's members."""

    @property
    def shards(self) -> tuple[str, ...]:
        return tuple(self.ports)

    async def run(self, host: str, *command: str, check: bool = True, limit: float = 60) -> str:
        """One command as root on a host that runs; needs no network."""
        leader = (await self._ask(do="status"))["hosts"][host]
        if not leader:
            raise CommandFailed(f"{host} is off")
        inside = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "--"]
        process = await asyncio.create_subprocess_exec(
            *inside, "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", *command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(process.communicate(), limit)
        except TimeoutError:
            process.kill()
            raise CommandFailed(f"{host}: {command} took over {limit} s") from None
        if check and process.returncode != 0:
            raise CommandFailed(f"{host}: {command}: {process.returncode}\n{said.decode()}")
        return said.decode()

    async def shell(self, host: str, text: str, *, check: bool = True, limit: float = 60) -> str:
        return await self.run(host, "sh", "-c", text, check=check, limit=limit)

    async def power_cut(self, host: str) -> None:
        await self._ask(do="power-cut", host=host)

    async def boot(self, host: str, *, fresh: bool = False) -> None:
        await self._ask(do="boot", host=host, fresh_disks=fresh, fresh_root=fresh)

    async def running(self) -> list[str]:
        hosts: dict[str, int] = (await self._ask(do="status"))["hosts"]
        return [name for name in self.names if hosts[name]]

    @asynccontextmanager
    async def kept_down(self, host: str, unit: str) -> AsyncIterator[None]:
        """All processes of the unit end as by kill -9, and systemd may start none meanwhile."""
        try:
            await self.shell(
                host, f"systemctl mask --runtime {unit}; systemctl kill -s KILL {unit}; "
                f"systemctl stop {unit}"
            )  # fmt: skip
            yield
        finally:
            await self.shell(host, f"systemctl unmask --runtime {unit}; systemctl start {unit}")

    async def services(self) -> dict[str, str]:
        """`host unit` of each service that runs -> its invocation, another after a restart."""
        found = {}
        for host in await self.running():
            for line in (await self.shell(host, _SERVICES)).splitlines():
                unit, invocation = line.split()
                found[f"{host} {unit}"] = invocation
        return found

    async def members(self, shard: str) -> list[dict[str, Any]]:
        """As patronictl lists them, asked of the first host that answers."""
        said = "no host runs"
        for host in await self.running():
            try:
                said = await self.run(
                    host, "timeout", "15", "patronictl", "-c", f"/etc/patroni/{shard}.yml",
                    "list", "--format", "json",
                )  # fmt: skip
            except CommandFailed as error:
                said = str(error)
                continue
            members: list[dict[str, Any]] = json.loads(said[said.index("[") :])
            return members
        raise CommandFailed(said)

    async def leader(self, shard: str) -> str:
        for member in await self.members(shard):
            if member["Role"] == "Leader":
                return str(member["Member"])
        raise CommandFailed(f"{shard} has no leader")

    async def sql(self, shard: str, text: str) -> list[str]:
        """Rows that the shard's leader answers, fields by |."""
        said = await self.run(
            await self.leader(shard), "setpriv", "--reuid=postgres", "--regid=postgres",
            "--init-groups", "psql", "-XAtq", "-h", "/var/run/postgresql",
            "-p", str(self.ports[shard]), "-d", "stowbay", "-c", text,
        )  # fmt: skip
        return said.splitlines()

    async def redis_master(self) -> str:
        for host in await self.running():
            if await self._is_master(host):
                return host
        raise CommandFailed("no Redis master")

    async def holders(self) -> list[str]:
        """Hosts that hold the floating address."""
        found = []
        for host in await self.running():
            if f"{FLOATING}/" in await self.run(host, "ip", "-4", "-o", "address"):
                found.append(host)
        return found

    async def whole(self) -> None:
        """Raises CommandFailed with what is still missing; returns when nothing is."""
        if len(await self.running()) < len(self.names):
            raise CommandFailed("a host is off")
        for shard in self.shards:
            if not whole_shard(members := await self.members(shard), len(self.names)):
                raise CommandFailed(f"{shard}: {members}")
        for host in self.names:
            for page in ("ready", "cluster"):
                await self.run(
                    host, "curl", "-fsS", "-m", "10", "--cacert", CA, "-o", "/dev/null",
                    f"https://{address(host)}:9000/minio/health/{page}",
                )  # fmt: skip
        roles = [await self._is_master(host) for host in self.names]
        if roles.count(True) != 1:
            raise CommandFailed(f"Redis masters: {roles}")
        if len(holders := await self.holders()) != 1:
            raise CommandFailed(f"the floating address is at {holders}")
        await self.run(
            self.names[0], "curl", "-fsS", "-m", "10", "--cacert", CA, "-o", "/dev/null",
            f"https://{FLOATING}/health/ready",
        )  # fmt: skip

    async def drives_away(self) -> int:
        """Of the store, as the cluster's own rule counts them: lost, or not yet healed."""
        figures = (await self.prometheus("query?query=store:drives_away:max"))["result"]
        if not figures:
            raise CommandFailed("Prometheus doesn't know of the store's drives")
        return int(figures[0]["value"][1])

    async def prometheus(self, path: str) -> Any:
        """The `data` of an answer of its API; CommandFailed while none answers."""
        said = "no host runs"
        for host in await self.running():
            try:
                said = await self.shell(
                    host,
                    f'curl -fsS -m 10 --cacert {CA} -u "stowbay:$(cat /etc/prometheus/password)" '
                    f"'https://{address(host)}:9090/api/v1/{path}'",
                )
            except CommandFailed as error:
                said = str(error)
                continue
            return json.loads(said)["data"]
        raise CommandFailed(said)

    async def _is_master(self, host: str) -> bool:
        """As its exporter sees it: nobody here knows a password of Redis."""
        figures = await self.shell(host, "curl -fsS -m 5 http://127.0.0.1:9121/metrics || true")
        return any(
            line.startswith("redis_instance_info") and 'role="master"' in line
            for line in figures.splitlines()
        )

    async def _ask(self, **request: Any) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: ask(self.lab, **request))


def whole_shard(members: list[dict[str, Any]], count: int) -> bool:
    """As patronictl lists them. A primary whose way has parted from the others' may be `running`
    for ever: each other member has to stream, on the leader's timeline."""
    roles = Counter(str(member["Role"]) for member in members)
    states = {str(member["State"]) for member in members if member["Role"] != "Leader"}
    timelines = {member.get("TL") for member in members}
    return (
        len(members) == count
        and roles["Leader"] == 1
        and roles["Quorum Standby"] > 0
        and states == {"streaming"}
        and len(timelines) == 1
    )


def not_restarted(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Services that still run as they did before, or run no more."""
    return sorted(unit for unit, run in before.items() if after.get(unit, run) == run)


async def until(check: Callable[[], Awaitable[None]], seconds: float, every: float = 2.0) -> float:
    """Seconds until `check` raised CommandFailed no more; the last one when time is over."""
    began = time.monotonic()
    while True:
        try:
            await check()
            return time.monotonic() - began
        except CommandFailed:
            if time.monotonic() - began > seconds:
                raise
        await asyncio.sleep(every)
