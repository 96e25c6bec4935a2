"""The gateways and the worker of this host, asked where they tell their figures."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.doctor.report import Line, Unexaminable, line
from appliance.doctor.web import BROKEN, Web, reason
from appliance.settings import Settings

__all__ = [
    "ProcessFacts", "figures_url", "judge_gateways", "judge_worker", "look_at_gateways",
    "look_at_worker",
]  # fmt: skip

_ANY = "0.0.0.0"  # noqa: S104  what a listener may say, and nobody can be asked at
_VERSION = re.compile(rb'^stowbay_start_time_seconds\{version="([^"]+)"\}', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """`broken` says why there was no answer; empty when there was."""

    name: str
    broken: str = ""
    version: str = ""
    ahead: float | None = None


async def look_at_gateways(settings: Settings, web: Web) -> list[ProcessFacts]:
    if not settings.gateway_ports:
        raise Unexaminable("no gateway is configured on this host")
    ports = range(settings.metrics_port, settings.metrics_port + len(settings.gateway_ports))
    return await asyncio.gather(
        *(_ask(f"gateway {index}", settings, port, web) for index, port in enumerate(ports))
    )


async def look_at_worker(settings: Settings, web: Web) -> list[ProcessFacts]:
    if not settings.worker_metrics_port:
        raise Unexaminable("no worker is configured on this host")
    return [await _ask("worker", settings, settings.worker_metrics_port, web)]


def figures_url(settings: Settings, port: int) -> str:
    """Where a process of this host, gateway or worker, tells its figures."""
    host = "127.0.0.1" if settings.metrics_host == _ANY else settings.metrics_host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"


async def _ask(name: str, settings: Settings, port: int, web: Web) -> ProcessFacts:
    try:
        answer = await web.ask("GET", figures_url(settings, port))
    except BROKEN as error:
        return ProcessFacts(name, f"port {port}: {reason(error)}")
    version = _VERSION.search(answer.body)
    if answer.status != 200 or version is None:
        return ProcessFacts(name, f"port {port}: something else answers, {answer.status}")
    return ProcessFacts(name, "", version[1].decode(), answer.ahead)


def judge_gateways(found: Sequence[ProcessFacts]) -> list[Line]:
    return _judge(found, "gateways")


def judge_worker(found: Sequence[ProcessFacts]) -> list[Line]:
    return _judge(found, "worker")


def _judge(found: Sequence[ProcessFacts], check: str) -> list[Line]:
    down = [line(f"{check}.down", each.name, each.broken) for each in found if each.broken]
    up = [each for each in found if not each.broken]
    if not up:
        return down
    seen = f"{len(up)} of {len(found)} answer, release {', '.join(sorted({e.version for e in up}))}"
    return [*down, line(f"{check}.ok", ", ".join(each.name for each in up), seen)]
