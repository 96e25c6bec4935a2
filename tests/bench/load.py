"""Metadata calls from many clients at once, each on a connection of its own, kept alive.

The generator speaks HTTP/1.1 over raw sockets, since a client library would be the bottleneck on
a machine that also runs the product; it is still part of the load, so calls per second of a core
are counted by the gateways' own CPU time.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop

from .measure import cpu_seconds, median
from .transfers import Bench

__all__ = ["Load", "metadata"]

LEVELS = (1, 16, 64)
Request = Callable[[], bytes]


@dataclass(frozen=True)
class Load:
    what: str
    clients: int
    per_second: float
    p50: float  # ms
    p99: float  # ms
    per_core: float  # calls per CPU second of all gateway processes together
    failures: int


def metadata(bench: Bench, seconds: float) -> list[Load]:
    folder = f"meta-{secrets.token_hex(4)}"
    bench.stowbay("mkdir", f"/{folder}")
    bench.stowbay("put", __file__, f"/{folder}/file")
    found = {}
    for path in (f"/{folder}", f"/{folder}/file"):
        reply = bench.user.call("GET", f"/api/v1/spaces/{bench.user.space}/resolve?path={path}")
        found[path] = reply.json["id"]
    address = urlsplit(bench.instance.url)
    head = (
        f"HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {bench.user.token}\r\n"
        "Accept: application/json\r\n"
    )
    node, parent = found[f"/{folder}/file"], found[f"/{folder}"]

    def stat() -> bytes:
        return f"GET /api/v1/nodes/{node} {head}\r\n".encode()

    def listing() -> bytes:
        return f"GET /api/v1/nodes/{parent}/children?limit=100 {head}\r\n".encode()

    def commit() -> bytes:
        target = {"kind": "file", "parent": parent, "name": secrets.token_hex(12)}
        body = json.dumps({"targets": [target]})
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        path = f"/api/v1/spaces/{bench.user.space}/commits"
        return f"POST {path} {head}{length}\r\n{body}".encode()

    loads = []
    for what, request in (("cached stat", stat), ("list of 1", listing), ("commit", commit)):
        for clients in LEVELS:
            loads.append(_run(bench, what, request, clients, seconds))
    return loads


def _run(bench: Bench, what: str, request: Request, clients: int, seconds: float) -> Load:
    before, began = cpu_seconds(bench.pids("gateway")), time.perf_counter()
    times, failures = uvloop.run(_load(bench, request, clients, seconds))
    wall = time.perf_counter() - began
    cpu = cpu_seconds(bench.pids("gateway")) - before
    ordered = sorted(times)
    return Load(
        what,
        clients,
        len(times) / wall,
        median(times) * 1000,
        ordered[int(len(ordered) * 0.99)] * 1000,
        len(times) / cpu if cpu else 0.0,
        failures,
    )


async def _load(
    bench: Bench, request: Request, clients: int, seconds: float
) -> tuple[list[float], int]:
    address = urlsplit(bench.instance.url)
    context = ssl.create_default_context(cafile=str(bench.instance.ca))
    end = time.perf_counter() + seconds
    times: list[float] = []
    failures = 0

    async def client() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
        while (began := time.perf_counter()) < end:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            await reader.readexactly(length)
            if head[9:10] == b"2":
                times.append(time.perf_counter() - began)
            else:
                failures += 1
            if b"\r\nconnection: close" in head.lower():  # nginx, after a thousand requests
                writer.close()
                reader, writer = await asyncio.open_connection(
                    address.hostname, address.port, ssl=context
                )
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times, failures
