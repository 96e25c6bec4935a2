"""Where the lab keeps things: one cache for the base images, one folder per lab."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REPOSITORY", "Lab", "cache", "labs"]

REPOSITORY = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def cache() -> Path:
    """Base images and labs; XDG_CACHE_HOME moves it, as it does for the rest of Stowbay."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return root / "stowbay" / "lab"


@dataclass(frozen=True)
class Lab:
    """One lab's folder. Names are short: ssh's control sockets lie below, and a socket's path
    has at most 107 characters."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise SystemExit(f"a lab's name matches {_NAME.pattern}: {self.name!r}")

    @property
    def folder(self) -> Path:
        return cache() / "labs" / self.name

    @property
    def pid_file(self) -> Path:
        """Holds the pid of the `unshare` whose death ends the lab."""
        return self.folder / "pid"

    @property
    def socket(self) -> Path:
        return self.folder / "control"

    @property
    def log(self) -> Path:
        return self.folder / "driver.log"

    @property
    def hosts_file(self) -> Path:
        return self.folder / "hosts"

    @property
    def ssh_key(self) -> Path:
        return self.folder / "ssh" / "key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "ssh" / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh" / "config"

    @property
    def connections(self) -> Path:
        """Where ssh keeps the sockets of connections that several commands share."""
        return self.folder / "cp"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory"

    @property
    def vault_password(self) -> Path:
        return self.folder / "vault-password"

    def host(self, name: str) -> Path:
        return self.folder / "machines" / name


def labs() -> list[Lab]:
    folder = cache() / "labs"
    return [Lab(each.name) for each in sorted(folder.glob("*")) if each.is_dir()]
