"""What a service manager hears: a real datagram socket, by a path and by an abstract name."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.telemetry import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@stowbay-test-{secrets.token_hex(8)}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        heard.settimeout(2)
        yield heard


async def test_ready_then_stopping(manager: socket.socket) -> None:
    async with systemd.announced():
        assert manager.recv(64) == b"READY=1"
        systemd.tell(systemd.STOPPING)
        assert manager.recv(64) == b"STOPPING=1"
        await asyncio.sleep(0.05)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(64)  # no watchdog was asked for


@pytest.mark.parametrize("pid", [None, "ours"])
async def test_the_loop_is_heard_twice_a_period(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, pid: str | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    async with systemd.announced():
        assert manager.recv(64) == b"READY=1"
        await asyncio.sleep(0.35)
    manager.setblocking(False)
    beats = 0
    while True:
        try:
            assert manager.recv(64) == b"WATCHDOG=1"
        except BlockingIOError:
            break
        beats += 1
    assert 3 <= beats <= 8


async def test_a_loop_that_hangs_is_silent(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    async with systemd.announced():
        await asyncio.sleep(0.05)
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                manager.recv(64)
        until = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < until:
            pass
        with pytest.raises(BlockingIOError):
            manager.recv(64)


async def test_another_process_s_watchdog_is_not_ours(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "10000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    async with systemd.announced():
        assert manager.recv(64) == b"READY=1"
        await asyncio.sleep(0.05)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(64)


async def test_nothing_fails_where_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "10000")
    async with systemd.announced():
        await asyncio.sleep(0.03)
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.tell(systemd.STOPPING)
