"""What an edge is told, checked so that no value can become configuration.

Provisioning gives it as a dataclass (one machine) or as JSON of the same fields (hosts). It holds
the edge's own store credential and public keys; nothing in it can mint a ticket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import msgspec

__all__ = ["EdgeOptions", "InnerTls", "read"]

_PLAIN_TEXT = re.compile(r"[A-Za-z0-9._:/\[\]-]*")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
# Paths stand in quotes in every template.
_PATH = re.compile(r'/[^"\\$\x00-\x1f\x7f]*')
_PATHS = frozenset(
    {
        "ca",
        "cache_dir",
        "certificate",
        "certificate_key",
        "config_dir",
        "log_dir",
        "modules_dir",
        "run_dir",
    }
)
_AS_JSON = frozenset({"edge_access_key", "edge_secret_key"})  # they stand in no template


@dataclass(frozen=True, slots=True)
class InnerTls:
    """How a server inside is reached by TLS: what must sign its certificate and be named in it.

    `name` is a DNS name: nginx compares no addresses. `certificate` and its key are shown to it.
    """

    ca: str
    name: str
    certificate: str | None = None
    certificate_key: str | None = None

    def __post_init__(self) -> None:
        _check(self)
        if not self.name:
            raise ValueError("name is empty: a certificate of any part would do")
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("a certificate and its key come together")


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """Paths are absolute. `public_keys` as KeyRing.public_keys gives them.

    `user`: whom the workers run as, None where nginx isn't started by root. `modules_dir`: where
    the njs module lies, None where it is built in. `gateways` and `store_address` are host:port;
    without TLS to them they must be on this host. `signin_*` bound sign-ins per address, `api_*`
    all calls (None: unbounded). `gateway_pause_seconds`: how long one that failed is left alone.
    `status_port`: nginx's own figures, on loopback.
    """

    listen_hosts: tuple[str, ...]
    api_port: int
    upload_port: int
    download_port: int
    bench_port: int | None
    certificate: str
    certificate_key: str
    gateways: tuple[str, ...]
    store_address: str
    bucket: str
    edge_access_key: str
    edge_secret_key: str
    region: str
    public_keys: Mapping[str, str]
    api_url: str
    config_dir: str  # where the rendered files will lie
    cache_dir: str
    cache_megabytes: int
    run_dir: str
    log_dir: str
    user: str | None
    modules_dir: str | None
    workers: int
    signin_per_minute: int = 30
    signin_burst: int = 20
    api_per_second: int | None = None
    api_burst: int = 600
    gateway_pause_seconds: int = 1
    gateway_tls: InnerTls | None = None
    store_tls: InnerTls | None = None
    status_port: int | None = None

    def __post_init__(self) -> None:
        _check(self)
        if not self.gateways or not self.listen_hosts:
            raise ValueError("an edge needs at least one gateway and one address to listen at")
        for host in self.listen_hosts:
            if not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
                raise ValueError("listen_hosts holds what isn't an address")
        for address in (*self.gateways, self.store_address):
            if not _ADDRESS.fullmatch(address):
                raise ValueError("gateways and store_address are host:port")


def read(text: bytes) -> EdgeOptions:
    """Raises msgspec.DecodeError, which names the field; its text holds no value."""
    raw = msgspec.json.decode(text, type=dict[str, Any])
    if unknown := raw.keys() - {field.name for field in fields(EdgeOptions)}:
        raise msgspec.ValidationError(f"unknown fields: {', '.join(sorted(unknown))}")
    return msgspec.convert(raw, EdgeOptions)


def _check(options: EdgeOptions | InnerTls) -> None:
    """A value with a quote, or a name with a space or semicolon, would become configuration."""
    for field in fields(options):
        value = getattr(options, field.name)
        pattern = _PATH if field.name in _PATHS else _PLAIN_TEXT
        if isinstance(value, str) and field.name not in _AS_JSON and not pattern.fullmatch(value):
            raise ValueError(f"{field.name} holds a character that nginx would interpret")
