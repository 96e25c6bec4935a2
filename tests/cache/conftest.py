"""A real redis-server on a free loopback port, stopped, started and killed by the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis as BlockingRedis
from redis.exceptions import RedisError

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache


class RedisServer:
    def __init__(self, place: Path) -> None:
        self.place = place
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def plain(self) -> BlockingRedis:
        """Past our own rules: what is really in there."""
        return BlockingRedis(port=self.port, protocol=2)

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
             "--dir", str(self.place), "--dbfilename", "dump.rdb"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.plain().ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis-server didn't start")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(10)
        self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    if server.process is not None:
        server.thaw()
        server.stop(signal.SIGKILL)


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    made = Link(redis_server.url, monotonic=time.monotonic, pause=0.2)
    yield made
    await made.close()


@pytest.fixture
def cache(link: Link) -> MetadataCache:
    return MetadataCache(link)
