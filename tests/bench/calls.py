"""What the gateways spend on the bytes of an upload, apart from what they spend on its calls.

A call's cost is taken from puts of a file of one chunk, whose calls are of the same kinds: begin,
report of parts, complete, commit. What a big put spends beyond its own number of calls at that
price is what its bytes cost: plan, signatures and records of all its parts. What the gateways
spend without a call (Redis' lease, timers of pools, health checks) is measured first and taken off.
"""

from __future__ import annotations

import os
import time
import urllib.request
from dataclasses import dataclass

from .measure import cpu_seconds
from .transfers import MIB, Bench

__all__ = ["CallCost", "call_cost"]

_SMALL_PUTS = 30
_BIG_PUTS = 3
_IDLE_SECONDS = 10.0
_COUNTED = "stowbay_http_request_seconds_count"


@dataclass(frozen=True)
class CallCost:
    """CPU in seconds, without what idle gateways spend."""

    idle: float  # a second
    per_call: float
    calls: float  # of one big put
    cpu: float  # of one big put

    @property
    def beyond(self) -> float:
        return self.cpu - self.calls * self.per_call


@dataclass(frozen=True)
class _Spent:
    calls: int
    cpu: float
    wall: float


def call_cost(bench: Bench, size: int) -> CallCost:
    pids = bench.pids("gateway")
    before = cpu_seconds(pids)
    time.sleep(_IDLE_SECONDS)
    idle = (cpu_seconds(pids) - before) / _IDLE_SECONDS
    small = _spent(bench, 6 * MIB, _SMALL_PUTS, "one-chunk")
    big = _spent(bench, size, _BIG_PUTS, "many-chunks")
    return CallCost(
        idle,
        (small.cpu - idle * small.wall) / small.calls,
        big.calls / _BIG_PUTS,
        (big.cpu - idle * big.wall) / _BIG_PUTS,
    )


def _spent(bench: Bench, size: int, times: int, name: str) -> _Spent:
    calls, cpu, wall = 0, 0.0, 0.0
    path = bench.folder / name
    for turn in range(times):
        with path.open("wb") as sink:
            for start in range(0, size, 8 * MIB):
                sink.write(os.urandom(min(8 * MIB, size - start)))
        before = _calls(bench), cpu_seconds(bench.pids("gateway"))
        began = time.monotonic()
        bench.stowbay("put", path, f"/{name}-{turn}")
        wall += time.monotonic() - began
        cpu += cpu_seconds(bench.pids("gateway")) - before[1]
        calls += _calls(bench) - before[0]
    path.unlink()
    return _Spent(calls, cpu, wall)


def _calls(bench: Bench) -> int:
    """Of all gateways, as their own figures count them."""
    settings = bench.instance.settings
    total = 0.0
    for index in range(len(settings["gateway_ports"])):
        url = f"http://127.0.0.1:{settings['metrics_port'] + index}/metrics"
        with urllib.request.urlopen(url, timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        total += sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(_COUNTED))
    return int(total)
