"""Clocks, compared by what each part says the time is; and whether a time service keeps this one.

A part's Date header is cut to seconds and travels for a while, so half a second and half the round
trip are in doubt: far less than the two seconds that count.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from appliance.doctor.report import Line, Unexaminable, line
from appliance.doctor.web import ahead_of

__all__ = [
    "FAR", "HERE", "OFF", "Clock", "TimeService", "ask", "judge", "judge_service",
    "look_at_service", "time_service", "whose",
]  # fmt: skip

OFF = 2.0  # as the alert ClockOffset
FAR = 60.0  # from here on tickets are refused (appliance.domain.tickets)
HERE = "this machine"


@dataclass(frozen=True, slots=True)
class Clock:
    """`ahead`: seconds before the doctor's own. `host`: whose it is; "" for this machine's."""

    part: str
    ahead: float
    host: str = ""


async def ask(part: str, url: str, tls: ssl.SSLContext, seconds: float) -> Clock | None:
    """By a connection of its own: the certificate tells who it is that answers, behind a floating
    address and a balancer, too. None when it doesn't answer."""
    where = urlsplit(url)
    secure = where.scheme == "https"
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                where.hostname,
                where.port or (443 if secure else 80),
                ssl=tls if secure else None,
                server_hostname=where.hostname if secure else None,
            )
            try:
                began = time.time()
                lines = f"GET {where.path} HTTP/1.1", f"Host: {where.netloc}", "Connection: close"
                writer.write("\r\n".join((*lines, "", "")).encode())
                head = await reader.readuntil(b"\r\n\r\n")
                took = time.time() - began
                held = writer.get_extra_info("peercert") or {}
                peer = str(writer.get_extra_info("peername")[0])
            finally:
                writer.transport.abort()
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return None
    dates = [
        each[5:] for each in head.decode("latin-1").split("\r\n") if each[:5].lower() == "date:"
    ]
    ahead = ahead_of(dates[0].strip() if dates else "", began, took)
    if ahead is None:
        return None
    return Clock(part, ahead, whose(_host(held, peer)))


def _host(certificate: dict[str, Any], asked: str) -> str:
    """The address of its own that the certificate names. The one that was asked may float."""
    names = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "IP Address"]
    found = (str(ip_address(name)) for name in names if not _loops(name))
    return next((name for name in found if name != str(ip_address(asked))), asked)


def whose(address: str) -> str:
    """The address, "" when it is one of this machine's (or none at all: a socket in a folder)."""
    if not address or _loops(address):
        return ""
    found = ip_address(address)
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(found), 9))  # sends nothing; what is here is reached from itself
        except OSError:
            return str(found)
        return "" if ip_address(probe.getsockname()[0]) == found else str(found)


def _loops(address: str) -> bool:
    return ip_address(address).is_loopback


def judge(clocks: Sequence[Clock]) -> list[Line]:
    """A host has one clock and one voice, however many parts tell it. The clock of the most hosts
    is the right one; where as many say this as that, nobody knows which."""
    if not clocks:
        raise Unexaminable("no part tells its time")
    hosts = {"": [Clock(HERE, 0.0)]}
    for each in clocks:
        hosts.setdefault(each.host, []).append(each)
    lines: list[Line] = []
    voices: list[Clock] = []
    for host, found in hosts.items():
        agreed, differing = _compare(found)
        lines += differing
        if agreed is not None:
            who = ", ".join(dict.fromkeys(each.part for each in found)) if host else HERE
            voices.append(Clock(who, agreed, host))
    lines += _compare(voices)[1]
    told = [0.0, *(each.ahead for each in clocks)]
    seen = ", ".join(dict.fromkeys((HERE, *(each.part for each in clocks))))
    return lines or [line("clock.ok", "all", f"{seen}: within {max(told) - min(told):.1f} s")]


def _compare(clocks: Sequence[Clock]) -> tuple[float | None, list[Line]]:
    """The time that the most agree on, None where there is none; and those who differ."""
    groups: list[list[Clock]] = []
    for each in sorted(clocks, key=lambda clock: clock.ahead):
        if groups and each.ahead - groups[-1][-1].ahead <= OFF:
            groups[-1].append(each)
        else:
            groups.append([each])
    most = [each for each in groups if len(each) == max(map(len, groups))]
    if len(most) == 1:
        right = median(each.ahead for each in most[0])
        return right, [
            _line(each.part, by, f"{abs(by):.1f} s {'ahead' if by > 0 else 'behind'}")
            for each in clocks
            if abs(by := each.ahead - right) > OFF
        ]
    if not groups:
        return None, []
    apart = groups[-1][-1].ahead - groups[0][0].ahead
    who = " or ".join(each.part for each in clocks)
    return None, [_line(who, apart, f"{apart:.1f} s apart; which is right can't be told from here")]


def _line(who: str, seconds: float, seen: str) -> Line:
    return line("clock.far-off" if abs(seconds) > FAR else "clock.off", who, seen)


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


async def time_service() -> list[Line]:
    return judge_service(await look_at_service())


def judge_service(found: TimeService) -> list[Line]:
    code = "time-service.ok" if found.synchronised else "time-service.lost"
    return [line(code, found.name, found.told)]
