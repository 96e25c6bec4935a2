"""Where the files of one instance lie. Everything private is in a folder of mode 0700."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "private_folder", "write_private"]


@dataclass(frozen=True, slots=True)
class Places:
    """Paths under the instance's folder, and its folder in memory.

    The folder in memory has a name made of the instance's path, so that two instances of one
    machine never share a cache and a left-over one is found again.
    """

    var: Path
    memory_root: Path

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def pki(self) -> Path:
        return self.var / "pki"

    @property
    def config(self) -> Path:
        return self.var / "config"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def settings_file(self) -> Path:
        return self.config / "stowbay.json"

    @property
    def access_file(self) -> Path:
        return self.var / "access.env"

    @property
    def memory(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:16]
        return self.memory_root / f"stowbay-{digest}"

    def log_of(self, name: str) -> Path:
        return self.log / f"{name}.log"

    def make(self) -> None:
        """Create the folders; the instance's own one keeps the mode its owner gave it."""
        self.var.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.pki, self.config, self.log, self.run):
            private_folder(folder)


def private_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step; nobody else could read it at any time."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
