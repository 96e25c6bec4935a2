"""People at work: writers of metadata, uploaders with the product's own client, a reader.

Each writer has an account and a folder of its own, so its ledger says what must be in it. The
write gap is the longest time that one writer waited between two acknowledged writes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .client import Client, Refused, Unsettled
from .ledger import Ledger, State, Violation

__all__ = [
    "Gap",
    "Load",
    "Uploader",
    "Writer",
    "make_folder",
    "problem_code",
    "start_uploader",
]

_PAUSE = 0.05  # between a writer's operations: the cores are shared with the cluster
# Bytes: one PUT, one PUT, several parts; few are large, as a lab's drives lie in memory.
_SIZES = (20 << 10, 3 << 20, 20 << 10, 12 << 20, 20 << 10, 3 << 20)


@dataclass
class Gap:
    last: float = 0.0
    worst: float = 0.0

    def begin(self) -> None:
        self.last, self.worst = time.monotonic(), 0.0

    def acknowledged(self) -> None:
        now = time.monotonic()
        self.worst, self.last = max(self.worst, now - self.last), now

    def so_far(self) -> float:
        return max(self.worst, time.monotonic() - self.last)


@dataclass
class Writer:
    """Makes empty files, renames every third, moves every fifth to the trash."""

    client: Client
    folder: str
    ledger: Ledger
    gap: Gap = field(default_factory=Gap)
    count: int = 0

    async def work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.count += 1
            key = f"f{self.count:06}"
            node = await self._make(key)
            if node is not None and self.count % 3 == 0:
                await self._change(key, State(f"r{key}"), "PATCH", node, {"name": f"r{key}"})
            elif node is not None and self.count % 5 == 0:
                await self._change(key, State(None), "DELETE", node, None)
            await asyncio.sleep(_PAUSE)

    async def _make(self, key: str) -> str | None:
        target = {"kind": "file", "parent": self.folder, "name": key}
        path = f"spaces/{self.client.space}/commits"
        self.ledger.sending(key, State(key))
        try:
            answer = await self.client.write("POST", path, {"targets": [target]})
        except Refused:
            self.ledger.refused(key)
            raise
        except Unsettled:
            return None
        (outcome,) = answer["items"]
        if outcome["status"] != "created":
            raise AssertionError(f"{key}: {outcome}")
        self._acknowledged(key)
        return str(outcome["node"])

    async def _change(
        self, key: str, wanted: State, method: str, node: str, body: dict[str, str] | None
    ) -> None:
        self.ledger.sending(key, wanted)
        try:
            await self.client.write(method, f"nodes/{node}", body)
        except Unsettled:
            return
        self._acknowledged(key)

    def _acknowledged(self, key: str) -> None:
        self.ledger.confirmed(key)
        self.gap.acknowledged()


@dataclass
class Uploader:
    """`stowbay put`, one file after another; exit code 0 acknowledges."""

    client: Client
    command: list[str]
    env: dict[str, str]
    place: Path
    folder: str  # node id
    path: str
    ledger: Ledger
    gap: Gap = field(default_factory=Gap)
    failures: list[str] = field(default_factory=list)
    """What the client said of each file that it couldn't send."""
    count: int = 0

    async def work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            name = f"u{self.count:05}"
            data = random.randbytes(_SIZES[self.count % len(_SIZES)])
            self.count += 1
            local = self.place / name
            local.write_bytes(data)
            self.ledger.sending(name, State(name, hashlib.sha256(data).hexdigest()))
            process = await asyncio.create_subprocess_exec(
                *self.command, "put", str(local), f"{self.path}/{name}",
                env=self.env, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            _, said = await process.communicate()
            local.unlink()
            if process.returncode == 0:
                self.gap.acknowledged()
                # The reader is another client: it may ask a replica that hasn't got this yet.
                await self.client.catch_up()
                self.ledger.confirmed(name)
            else:
                self.failures.append(said.decode(errors="replace").strip()[-800:])


@dataclass
class Load:
    writers: list[Writer]
    uploader: Uploader
    wrong: list[Violation] = field(default_factory=list)
    served: int = 0
    unserved: int = 0
    """Downloads that ended with nothing: asked again later, never wrong."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Leaving waits until what is under way has its outcome."""
        stop = asyncio.Event()
        for each in (*self.writers, self.uploader):
            each.gap.begin()
        async with asyncio.TaskGroup() as group:
            for each in (*self.writers, self.uploader):
                group.create_task(each.work(stop))
            group.create_task(self._read(stop))
            try:
                yield
            finally:
                stop.set()

    async def _read(self, stop: asyncio.Event) -> None:
        """Any acknowledged upload, over and over: what is served is right, or nothing is."""
        client, ledger = self.uploader.client, self.uploader.ledger
        while not stop.is_set():
            await asyncio.sleep(0.3)
            known = [state for _, state in ledger.known() if state.name]
            if not known:
                continue
            state = random.choice(known)
            path = f"spaces/{client.space}/resolve?path={self.uploader.path}/{state.name}"
            try:
                node = await client.read(path, patience=30)
                found = await client.content(node["id"])
            except Unsettled:
                found = None
            except Refused as refusal:
                self.wrong.append(Violation(ledger.folder, f"{state.name}: {refusal}"))
                continue
            if found is None:
                self.unserved += 1
            elif found == state.sha256:
                self.served += 1
            else:
                self.wrong.append(Violation(ledger.folder, f"{state.name}: served {found}"))

    def write_gap(self) -> float:
        return max(each.gap.so_far() for each in self.writers)

    def upload_gap(self) -> float:
        return self.uploader.gap.so_far()

    def told(self) -> Counter[str]:
        """How often each error code was answered, or each way to get no answer was met."""
        people = (*self.writers, self.uploader)
        return sum((Counter(each.client.codes) for each in people), Counter())


async def make_folder(client: Client, name: str) -> str:
    target = {"kind": "folder", "parent": client.root, "name": name}
    answer = await client.write("POST", f"spaces/{client.space}/commits", {"targets": [target]})
    (outcome,) = answer["items"]
    return str(outcome["node"])


async def start_uploader(client: Client, command: list[str], ca: Path, place: Path) -> Uploader:
    """Signs the product's client in, as a person would."""
    name = f"uploads-{secrets.token_hex(3)}"
    secret = place / "password"
    secret.write_text(client.password)
    env = os.environ | {
        "STOWBAY_PROFILE": str(place / "profile"), "STOWBAY_CA": str(ca), "HOME": str(place),
    }  # fmt: skip
    login = ["login", "--user", client.login, "--password-file", str(secret), client.url]
    process = await asyncio.create_subprocess_exec(*command, *login, env=env)
    if await process.wait() != 0:
        raise SystemExit("stowbay login failed")
    folder = await make_folder(client, name)
    return Uploader(client, command, env, place, folder, f"/{name}", Ledger(name))


def problem_code(said: str) -> str:
    """The code at the end of what the client said last (docs/reference/exit-codes.md), or ''."""
    found = re.search(r"\[([a-z-]+)\]$", said)
    return found[1] if found else ""
