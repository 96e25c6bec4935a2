"""The program that keepalived asks whether this edge may hold the floating address."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from tests.unit.ansible.plugins import ANSIBLE

PROGRAM = ANSIBLE / "roles/edge/files/edge-check"


class Status(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/stub_status" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def nginx() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def open_host() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def lost() -> Iterator[str]:
    """An address that is silent, as one that nobody can reach: its queue of connections is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for way in waiting:
            way.setblocking(False)
            way.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for way in waiting:
            way.close()


def check(port: int, *hosts: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM), str(port), *hosts], capture_output=True, text=True, timeout=3, check=False
    )


def test_all_is_well(nginx: int, open_host: str, lost: str) -> None:
    assert check(nginx, open_host, f"{lost},{open_host}", open_host).returncode == 0


def test_a_host_that_refuses_is_there(nginx: int, closed: str) -> None:
    assert check(nginx, closed, closed, closed).returncode == 0


def test_half_of_the_hosts_is_enough_and_less_is_not(nginx: int, open_host: str, lost: str) -> None:
    assert check(nginx, open_host, open_host, lost).returncode == 0
    assert check(nginx, open_host, lost).returncode == 0
    cut_off = check(nginx, open_host, lost, f"{lost},{lost}")
    assert cut_off.returncode == 1
    assert "can't be reached" in cut_off.stderr


def test_without_nginx_nothing_helps(closed: str, open_host: str) -> None:
    dead = check(int(closed.rpartition(":")[2]), open_host)
    assert dead.returncode == 1
    assert "nginx doesn't answer" in dead.stderr


def test_an_nginx_that_accepts_and_says_nothing_is_dead(open_host: str) -> None:
    assert check(int(open_host.rpartition(":")[2]), open_host).returncode == 1
