"""Clocks, compared by what each part says the time is; and whether a time service keeps this one.

A part's Date header is cut to seconds and travels for a while, so half a second and half the round
trip are in doubt: far less than the two seconds that count.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from appliance.doctor.report import Line, Unexaminable, line

__all__ = ["FAR", "HERE", "OFF", "TimeService", "judge", "judge_service", "look_at_service"]

OFF = 2.0  # as the alert ClockOffset
FAR = 60.0  # from here on tickets are refused (appliance.domain.tickets)
HERE = "this machine"


def judge(ahead: Mapping[str, float]) -> list[Line]:
    """`ahead`: part -> seconds before this machine's clock. The clock of the most is the right one;
    of two that differ nobody knows which."""
    if not ahead:
        raise Unexaminable("no part tells its time")
    clocks = {HERE: 0.0, **ahead} if len(ahead) > 1 else {f"{HERE} or {max(ahead)}": 0.0}
    right = median(clocks.values()) if len(ahead) > 1 else max(ahead.values())
    off = {name: seconds - right for name, seconds in clocks.items()}
    lines = [
        line("clock.far-off" if abs(by) > FAR else "clock.off", name, _words(by))
        for name, by in off.items()
        if abs(by) > OFF
    ]
    widest = max(map(abs, off.values()))
    seen = f"{', '.join((HERE, *ahead))}: within {widest:.1f} s"
    return lines or [line("clock.ok", "all", seen)]


def _words(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"


@dataclass(frozen=True, slots=True)
class TimeService:
    name: str
    synchronised: bool
    told: str


async def look_at_service() -> TimeService:
    """chrony where it is installed, else systemd's word on its own service."""
    if shutil.which("chronyc"):
        told = await _said("chronyc", "-c", "tracking")
        fields = told.strip().split(",")
        if len(fields) < 14:
            return TimeService("chrony", False, "chrony doesn't answer")
        good = fields[-1] in ("Normal", "Insert second", "Delete second")
        return TimeService("chrony", good, f"stratum {fields[2]}, offset {float(fields[4]):+.6f} s")
    told = await _said("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized")
    values = dict(each.split("=", 1) for each in told.split() if "=" in each)
    if values.get("NTP") != "yes":
        raise Unexaminable("no time service that can be asked runs here")
    return TimeService(
        "systemd-timesyncd", values.get("NTPSynchronized") == "yes", "by timedatectl"
    )


async def _said(*command: str) -> str:
    """What it printed, whatever it ended with; empty when it isn't there."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    try:
        return (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()


def judge_service(found: TimeService) -> list[Line]:
    code = "time-service.ok" if found.synchronised else "time-service.lost"
    return [line(code, found.name, found.told)]
