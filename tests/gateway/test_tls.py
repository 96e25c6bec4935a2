"""The gateway as on hosts: TLS for the edge only, renewed without a restart, told to systemd."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from appliance.settings import GatewayTls
from tests.edge.authority import Authority, Leaf

from .running import Gateway, Site, free_port

INNER = "gateway.stowbay.internal"


@dataclass
class Place:
    authority: Authority
    shown: Leaf
    gateway: Gateway
    manager: socket.socket

    @property
    def url(self) -> str:
        return f"https://localhost:{self.gateway.port}"

    def heard(self) -> list[bytes]:
        words = []
        with suppress(BlockingIOError):
            while True:
                words.append(self.manager.recv(64))
        return words

    def get(self, caller: Leaf | None, path: str = "/health/live") -> tuple[int, bytes]:
        """Raises OSError when the handshake fails."""
        context = ssl.create_default_context(cafile=str(self.authority.path))
        if caller is not None:
            context.load_cert_chain(caller.certificate, caller.key)
        try:
            with urllib.request.urlopen(self.url + path, context=context, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def serial(self) -> int:
        context = ssl.create_default_context(cafile=str(self.authority.path))
        caller = self.authority.leaf("edge-inner")
        context.load_cert_chain(caller.certificate, caller.key)
        with (
            socket.create_connection(("127.0.0.1", self.gateway.port)) as raw,
            context.wrap_socket(raw, server_hostname=INNER) as secured,
        ):
            shown = secured.getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)


@pytest.fixture(scope="module")
def place(around: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "pki")
    shown = authority.leaf("gateway", INNER)
    ports = free_port(), free_port()
    alone = replace(around, place=folder)
    alone.change(
        msgspec.structs.replace(
            around.settings,
            gateway_ports=(free_port(), ports[0]),
            metrics_port=ports[1] - 1,
            gateway_host="0.0.0.0",
            gateway_tls=GatewayTls(str(shown.certificate), str(shown.key), str(authority.path)),
        )
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.setblocking(False)
        gateway = Gateway(
            alone,
            port=ports[0],
            metrics_port=ports[1],
            health=f"http://127.0.0.1:{ports[1]}",
            NOTIFY_SOCKET=str(folder / "notify"),
            WATCHDOG_USEC="400000",
        )
        try:
            yield Place(authority, shown, gateway, manager)
        finally:
            gateway.stop()


def test_ready_is_told_when_it_listens_and_the_loop_is_heard(place: Place) -> None:
    words = place.heard()
    assert words[0] == b"READY=1"
    time.sleep(0.5)
    assert place.heard().count(b"WATCHDOG=1") >= 1


def test_the_edge_passes(place: Place) -> None:
    edge = place.authority.leaf("edge-inner")
    assert place.get(edge) == (200, b'{"status":"live"}')
    assert place.get(edge, "/api/v1/account")[0] == 401


def test_no_certificate_is_no_connection(place: Place, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        place.get(None)
    with pytest.raises(OSError):
        place.get(Authority(tmp_path).leaf("edge-inner"))
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{place.gateway.port}/health/live", timeout=5)


def test_another_part_s_certificate_is_refused_on_every_address(place: Place) -> None:
    other = place.authority.leaf("redis", "edge-inner")
    for path in ("/health/live", "/api/v1/openapi.json", "/api/v1/account", "/nothing"):
        status, body = place.get(other, path)
        assert status == 403
        assert msgspec.json.decode(body)["code"] == "forbidden"


def test_health_and_figures_on_loopback_need_no_certificate(place: Place) -> None:
    base = f"http://127.0.0.1:{place.gateway.metrics_port}"
    for path in ("/health/ready", "/health/live", "/metrics"):
        with urllib.request.urlopen(base + path, timeout=10) as answer:
            assert answer.status == 200


def test_a_renewed_certificate_is_shown_without_a_restart(place: Place) -> None:
    before = place.serial()
    place.authority.leaf("gateway", INNER)  # into the same files
    assert place.serial() == before
    os.kill(place.gateway.process.pid, signal.SIGHUP)
    end = time.monotonic() + 10
    while place.serial() == before:
        assert time.monotonic() < end
    assert place.gateway.process.poll() is None


def test_a_half_written_certificate_changes_nothing(place: Place) -> None:
    before, key = place.serial(), place.shown.key.read_bytes()
    place.shown.key.write_bytes(place.authority.leaf("stranger").key.read_bytes())
    os.kill(place.gateway.process.pid, signal.SIGHUP)
    end = time.monotonic() + 10
    while not any(line["event"] == "certificate not renewed" for line in place.gateway.lines()):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert place.serial() == before
    place.shown.key.write_bytes(key)


def test_stopping_is_told(place: Place) -> None:
    """Last: it ends the process of this file."""
    place.heard()
    assert place.gateway.stop() < 20
    assert place.gateway.process.returncode == 0
    assert b"STOPPING=1" in place.heard()
