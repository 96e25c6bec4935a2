"""The loopback ports of one instance, and who already sits on them.

Two instances live side by side by giving the second one STOWBAY_PORT_BASE: all its ports are
then counted from there in the order of `_OFFSETS`, in a window of `WINDOW` ports.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from appliance.machine.failure import CannotStart

__all__ = ["MAX_GATEWAYS", "WINDOW", "Ports", "busy", "port_settings", "read_ports"]

WINDOW = 40
MAX_GATEWAYS = 8

# name: (default port, offset from STOWBAY_PORT_BASE, what listens there)
_TABLE: dict[str, tuple[int, int, str]] = {
    "api": (8443, 0, "nginx: API"),
    "upload": (8444, 1, "nginx: uploads"),
    "download": (8445, 2, "nginx: downloads"),
    "metrics": (8446, 4, "gateway metrics, one port a process from here on"),
    "worker_metrics": (8454, 22, "worker metrics"),
    "postgres": (18432, 12, "PostgreSQL"),
    "redis": (18379, 13, "Redis or Valkey"),
    "store": (18333, 14, "object store, S3"),
    "store_grpc": (18334, 15, "SeaweedFS: S3, gRPC"),
    "master": (18340, 16, "SeaweedFS: master"),
    "master_grpc": (18341, 17, "SeaweedFS: master, gRPC"),
    "volume": (18342, 18, "SeaweedFS: volumes"),
    "volume_grpc": (18343, 19, "SeaweedFS: volumes, gRPC"),
    "filer": (18344, 20, "SeaweedFS: filer"),
    "filer_grpc": (18345, 21, "SeaweedFS: filer, gRPC"),
    "gateways": (18501, 24, "gateway processes, one port each from here on"),
}
_SEAWEED_ONLY = ("store_grpc", "master", "master_grpc", "volume", "volume_grpc", "filer")


@dataclass(frozen=True, slots=True)
class Ports:
    """Every port of an instance; `bench` is None unless the bench's server block is asked for."""

    api: int
    upload: int
    download: int
    metrics: int
    worker_metrics: int
    bench: int | None
    postgres: int
    redis: int
    store: int
    store_grpc: int
    master: int
    master_grpc: int
    volume: int
    volume_grpc: int
    filer: int
    filer_grpc: int
    gateways: tuple[int, ...]

    def taken(self, store_kind: str) -> Iterator[tuple[str, int]]:
        """(setting that moves it, port) for each listener that this instance opens."""
        for name in _TABLE:
            if store_kind != "seaweedfs" and (name in _SEAWEED_ONLY or name == "filer_grpc"):
                continue
            if name in ("metrics", "gateways"):
                first = self.metrics if name == "metrics" else self.gateways[0]
                for index in range(len(self.gateways)):
                    yield _setting(name), first + index
            else:
                yield _setting(name), getattr(self, name)
        if self.bench is not None:
            yield _setting("bench"), self.bench


def _setting(name: str) -> str:
    return f"STOWBAY_PORT_{name.upper()}"


def port_settings() -> Iterator[tuple[str, str, str]]:
    """(environment variable, default, meaning) for the reference page and its test."""
    for name, (default, _, meaning) in _TABLE.items():
        yield _setting(name), str(default), meaning
    yield _setting("bench"), "", "nginx: plain S3 for `make bench`; off unless set"


def read_ports(environ: Mapping[str, str], gateways: int) -> Ports:
    """Parse the port settings; a number that is none, or two equal ones, is refused by name."""
    base = _number(environ, "STOWBAY_PORT_BASE")
    found: dict[str, int] = {}
    for name, (default, offset, _) in _TABLE.items():
        given = _number(environ, _setting(name))
        found[name] = given or (default if base is None else base + offset)
    first_gateway = found.pop("gateways")
    ports = Ports(
        **found,
        bench=_number(environ, _setting("bench")),
        gateways=tuple(range(first_gateway, first_gateway + gateways)),
    )
    seen: dict[int, str] = {}
    for setting, port in ports.taken("seaweedfs"):
        if port in seen:
            raise CannotStart(f"{setting} and {seen[port]} both come to port {port}")
        seen[port] = setting
    return ports


def _number(environ: Mapping[str, str], setting: str) -> int | None:
    text = environ.get(setting, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535 - WINDOW:
        raise CannotStart(f"{setting}={text!r} is no port number (1 to {65535 - WINDOW})")
    return int(text)


def busy(ports: Ports, store_kind: str) -> list[tuple[str, int]]:
    """The listeners of ours that can't be opened as somebody else has the port.

    SO_REUSEADDR makes the probe blind to connections in TIME_WAIT, as the servers are too.
    """
    found = []
    for setting, port in ports.taken(store_kind):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                found.append((setting, port))
    return found
