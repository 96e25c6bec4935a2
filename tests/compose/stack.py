"""The trial as its tests see it: compose/trial.py, Docker's word on the containers, a client."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.places import REPOSITORY

__all__ = ["ONCE", "Stack", "read_tree", "until", "write_tree"]

PROJECT = "stowbay-trial"
ONCE = {"setup", "store-first", "databases"}  # they end when their work is done
# Bytes: empty, less than a chunk, more than one part of a multipart upload.
SIZES = {"empty": 0, "note.txt": 1000, "a/photo.jpg": 3_000_000, "a/b/film.mp4": 40_000_000}


@dataclass(frozen=True)
class Stack:
    state: Path
    here: Path  # of the tests: profile of the client, trees

    def trial(self, *words: str, **settings: str) -> None:
        command = [sys.executable, str(REPOSITORY / "compose" / "trial.py"), *words]
        done = subprocess.run(
            command, env={**os.environ, **settings},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        with (self.here / "trial.log").open("a") as log:
            log.write(done.stdout)
        assert done.returncode == 0, f"{words}:\n{done.stdout[-6000:]}"

    def docker(self, *words: str) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker says of each, by the service's name."""
        label = f"label=com.docker.compose.project={PROJECT}"
        found = self.docker("ps", "--all", "--quiet", "--filter", label).split()
        if not found:
            return {}
        told = json.loads(self.docker("inspect", *found))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in told}

    def inside(self, service: str, *command: str) -> str:
        return self.docker("exec", self.containers()[service]["Id"], *command)

    def secrets(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.state / "secrets" / "vault.json").read_text())
        return found

    def members(self) -> dict[str, dict[str, Any]]:
        """Patroni's members by name, asked of the first that answers."""
        asked = ["patronictl", "-c", "/etc/stowbay/patroni.yml", "list", "-f", "json"]
        for name, each in self.containers().items():
            if name.startswith("postgres") and each["State"]["Running"]:
                words = ["docker", "exec", each["Id"], *asked]
                done = subprocess.run(words, capture_output=True, text=True)
                if done.returncode == 0:
                    return {member["Member"]: member for member in json.loads(done.stdout)}
        return {}

    def primary(self) -> str:
        leaders = [name for name, each in self.members().items() if each["Role"] == "Leader"]
        return leaders[0] if leaders else ""

    @property
    def hosts(self) -> Path:
        """What the client has for /etc/hosts, once it is there."""
        return self.here / "hosts"

    def client(self, *words: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            "HOME": str(self.here),
            "STOWBAY_PROFILE": str(self.here / "profile"),
        }
        command = [str(REPOSITORY / ".venv" / "bin" / "stowbay"), *map(str, words)]
        if self.hosts.exists():
            script = 'mount --bind "$0" /etc/hosts && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, str(self.hosts), *command]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=timeout)

    def sign_in(self, name: str = "localhost") -> None:
        done = self.client(
            "login", f"https://{name}:8443", "--user", "admin",
            "--ca", self.state / "ca.pem", "--password-file", self.state / "admin-password",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def put(self, *words: str | Path) -> None:
        done = self.client("put", *words)
        assert done.returncode == 0, done.stderr

    def get(self, *words: str | Path) -> None:
        done = self.client("get", *words)
        assert done.returncode == 0, done.stderr


def write_tree(folder: Path) -> dict[str, bytes]:
    """Fresh bytes each time: nothing of them can be known yet."""
    draw = random.Random(os.urandom(8))
    tree = {name: draw.randbytes(size) for name, size in SIZES.items()}
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return tree


def read_tree(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


def until(seconds: float, good: Callable[[], object]) -> None:
    """Wait until `good` has nothing to say; what it says last is shown when that never comes."""
    deadline = time.monotonic() + seconds
    while (wrong := good()) and time.monotonic() < deadline:
        time.sleep(1)
    assert not wrong, wrong
