"""This instance's Redis or Valkey: a cache that keeps nothing on disk and may be lost any time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redis import Redis, RedisError

from appliance.machine.failure import CannotStart
from appliance.machine.places import private_folder, write_private
from appliance.machine.service import Service

__all__ = ["Cache", "find_server"]


@dataclass(frozen=True, slots=True)
class Cache:
    folder: Path
    program: str
    port: int
    password: str

    @property
    def url(self) -> str:
        """With the password in it: for the settings file only."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """The password is in the configuration file: an argument would show in `ps`."""
        private_folder(self.folder)
        write_private(self._file, _configuration(self.folder, self.port, self.password))

    def service(self, env: Mapping[str, str]) -> Service:
        return Service(
            name="redis",
            argv=(self.program, str(self._file)),
            env=env,
            cwd=self.folder,
            ready=self._answers,
            ready_seconds=20.0,
        )

    @property
    def _file(self) -> Path:
        return self.folder / "redis.conf"

    def _answers(self) -> bool:
        with Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


def _configuration(folder: Path, port: int, password: str) -> str:
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {port}",
            "protected-mode yes",
            f"requirepass {password}",
            "daemonize no",
            'logfile ""',
            f'dir "{folder}"',
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy allkeys-lru",
            "",
        )
    )


def find_server() -> str:
    """Debian 12 has Redis; Debian 13 has both, and Valkey is the freely licensed one."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path="/usr/bin:/usr/local/bin:/usr/sbin:/bin")
        if found:
            return found
    raise CannotStart("neither Redis nor Valkey is installed: `make setup` says what to do")
