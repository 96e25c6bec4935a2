"""A gateway of the test run's own: the real process, on a real Postgres, Redis and store."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from appliance.edge import keyring
from appliance.settings import Database, Settings
from appliance.store.migrate import migrate
from appliance.wiring import wire
from tests.cache.conftest import RedisServer
from tests.objects import store_processes
from tests.store import postgres


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """What a gateway needs around it."""

    place: Path
    settings: Settings
    redis: RedisServer
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.place / "stowbay.json"

    def change(self, settings: Settings) -> None:
        self.settings = settings
        self.config.write_bytes(msgspec.json.encode(settings))

    def add_user(self, login: str, password: str, *, quota: int | None = None) -> None:
        async def add() -> None:
            async with wire(self.settings) as services:
                await services.users.add(login, password, quota=quota)

        asyncio.run(add())


class Gateway:
    """Waits until the process answers /health/{until}; its index counts from the metrics port.

    `port`: that of the settings for this index. `health`: where to ask, if not at the listener.
    """

    def __init__(
        self,
        site: Site,
        *,
        until: str = "ready",
        port: int | None = None,
        metrics_port: int | None = None,
        health: str | None = None,
        **more: str,
    ) -> None:
        self.port = port or free_port()
        self.metrics_port = metrics_port or site.settings.metrics_port
        index = self.metrics_port - site.settings.metrics_port
        self.log = site.place / f"gateway-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "appliance.gateway", "--index", str(index),
                 *([] if port else ["--port", str(self.port)])],
                env=os.environ | {"STOWBAY_CONFIG": str(site.config)} | more,
                stderr=log,
            )  # fmt: skip
        site.started.append(self.process)
        self._wait(f"{health or self.url}/health/{until}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _wait(self, url: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway isn't ready:\n{self.log.read_text()}")

    def lines(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.log.read_bytes().splitlines()]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Seconds it took."""
        started = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(40)
        return time.monotonic() - started


@contextmanager
def site(place: Path, store_kind: str = "minio") -> Iterator[Site]:
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres.running())
        dsn = cluster.create("stowbay")
        migrate(dsn)
        (place / "store").mkdir()
        store = stack.enter_context(store_processes.running(store_kind, place / "store"))
        redis = RedisServer(place)
        redis.start()
        stack.callback(lambda: redis.process and redis.stop(signal.SIGKILL))
        ring = place / "tickets.json"
        keyring.create(int(time.time()), kid="test").save(ring)
        made = Site(
            place,
            Settings(
                api_url="https://localhost:8443",
                upload_url=store.settings.endpoint,  # no nginx here: straight to the store
                download_url="https://localhost:8445",
                gateway_ports=(free_port(),),
                metrics_port=free_port(),
                databases=(Database("one", dsn, dsn),),
                redis_url=redis.url,
                store=store.settings,
                ticket_keyring=str(ring),
            ),
            redis,
        )
        made.change(made.settings)
        try:
            yield made
        finally:
            for process in made.started:
                process.kill()
                process.wait()


def new_password() -> str:
    return secrets.token_urlsafe(16)


def main() -> None:
    """Runs until it is interrupted, for a look by hand: python -m tests.gateway.running DIR."""
    place = Path(sys.argv[1])
    place.mkdir(parents=True)
    with site(place) as made:
        made.add_user("ada", "correct horse battery")
        gateway = Gateway(made)
        sys.stdout.write(f"{gateway.url}\n")
        sys.stdout.flush()
        try:
            gateway.process.wait()
        except KeyboardInterrupt:
            gateway.stop()


if __name__ == "__main__":
    main()
