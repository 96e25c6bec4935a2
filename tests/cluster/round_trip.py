"""A person's first minutes with a cluster: sign in, put a tree, get it elsewhere, compare."""

from __future__ import annotations

import contextlib
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench.real_tree import differences, gather
from tests.cluster.addresses import PUBLIC_NAME
from tests.cluster.converge import Failure, call
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.vault import secrets_of

__all__ = ["Person", "person", "real_tree", "round_trip"]

# Bytes: empty, less than a chunk, more than one part of a multipart upload.
SIZES = {"empty": 0, "note.txt": 1000, "a/photo.jpg": 3_000_000, "a/b/film.mp4": 40_000_000}


def round_trip(lab: Lab, logs: Path, authority: Path | None = None) -> None:
    """`authority`: what the client trusts, by default the cluster's own."""
    with person(lab, logs / "5-login.log", authority) as somebody:
        somebody.put("tree", logs / "6-put.log")
        somebody.get("tree", logs / "7-get.log")


@contextlib.contextmanager
def real_tree(lab: Lab, logs: Path) -> Iterator[None]:
    """What packages brought to this machine: links, case twins, modes, odd names. What is done
    meanwhile must leave it as it was."""
    with person(lab, logs / "7-real-login.log") as somebody:
        gathered = partial(gather, files=5000, size=200 << 20)
        somebody.put("real", logs / "7-real-put.log", gathered)
        somebody.listed("real", logs / "7-real-list.log")
        somebody.get("real", logs / "7-real-get.log")
        yield
        somebody.get("real", logs / "8-real-again.log")


class Person:
    """Who is signed in as admin, and keeps what was put to compare with what comes back."""

    def __init__(self, lab: Lab, here: Path) -> None:
        self._lab, self._here = lab, here
        self._client: list[str | Path] = [
            "env", f"STOWBAY_PROFILE={here / 'profile'}", f"HOME={here}",
            REPOSITORY / ".venv" / "bin" / "stowbay",
        ]  # fmt: skip

    def sign_in(self, log: Path, authority: Path | None = None) -> None:
        password = self._here / "password"
        password.touch(mode=0o600)
        password.write_text(secrets_of(self._lab.inventory)["vault_admin_password"])
        who: list[str | Path] = [
            "login",
            f"https://{PUBLIC_NAME}",
            "--user",
            "admin",
            "--ca",
            authority or self._lab.inventory / "state" / "pki" / "ca.pem",
        ]
        call(self._lab, log, *self._client, *who, "--password-file", password)

    def put(self, name: str, log: Path, make: Callable[[Path], object] | None = None) -> None:
        (make or _write_tree)(self._here / name)
        call(self._lab, log, *self._client, "put", self._here / name, "/")

    def listed(self, name: str, log: Path) -> None:
        call(self._lab, log, *self._client, "ls", "-R", "--json", f"/{name}")
        seen, there = len(json.loads(log.read_text())), len([*(self._here / name).rglob("*")])
        if seen != there:
            raise Failure(f"{seen} things are listed, and {there} were put")

    def get(self, name: str, log: Path) -> None:
        back = Path(tempfile.mkdtemp(dir=self._here)) / name
        call(self._lab, log, *self._client, "get", f"/{name}", back)
        if other := differences(self._here / name, back):
            raise Failure(f"{len(other)} came back different, or not: {other[:20]}")
        print(f"{len([*back.rglob('*')])} files, links and folders came back as they were")


@contextlib.contextmanager
def person(lab: Lab, log: Path, authority: Path | None = None) -> Iterator[Person]:
    with tempfile.TemporaryDirectory(prefix="stowbay-round-trip-") as place:
        somebody = Person(lab, Path(place))
        somebody.sign_in(log, authority)
        yield somebody


def _write_tree(tree: Path) -> None:
    draw = random.Random(os.urandom(8))
    for name, size in SIZES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(draw.randbytes(size))
