"""kill -9 between any two steps of an upload and of an abort, and a store or database that is gone.

A gateway of the test's own kills itself right after a named step (STOWBAY_CRASH_AT); the upload
must then end the same way for a client that repeats its call elsewhere, and for the worker alone.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import protocol as p
from .instance import ROOT, Instance, User

MIB = 1 << 20
UPLOAD_STEPS = [
    "row-written",
    "multipart-created",
    "multipart-recorded",
    "parts-recorded",
    "completing",
    "completed-in-store",
    "seen-in-store",
    "record-uploaded",
]
ABORT_STEPS = ["aborting", "aborted-in-store", "seen-in-store", "record-purged"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Doomed:
    """A gateway that kills itself at a step; its calls end in an answer or in its death."""

    def __init__(self, instance: Instance, step: str) -> None:
        self.port = _free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance.gateway", "--port", str(self.port), "--index", "7"],
            cwd=ROOT,
            env=instance.env | {"STOWBAY_CRASH_AT": step},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                assert self.process.poll() is None, "the gateway did not start"
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def call(self, user: User, method: str, path: str, body: Any = None) -> Any:
        """The answer's document, or None when the gateway died before it answered."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=data,
            method=method,
            headers={"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}") from error
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def died(self) -> bool:
        return self.process.wait(10) == -signal.SIGKILL

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)


@contextmanager
def _doomed(instance: Instance, step: str) -> Iterator[Doomed]:
    gateway = Doomed(instance, step)
    try:
        yield gateway
    finally:
        gateway.stop()


def _upload_through(gateway: Doomed, user: User, data: bytes) -> None:
    """begin, put, record, complete, until the gateway dies."""
    body = {"uploads": [p.described(data)]}
    begun = gateway.call(user, "POST", f"/api/v1/spaces/{user.space}/uploads", body)
    if begun is None:
        return
    (outcome,) = begun["items"]
    upload = outcome["upload"]["id"]
    parts = p.put_parts(user, outcome, data)
    if gateway.call(user, "PATCH", f"/api/v1/uploads/{upload}/parts", {"parts": parts}) is None:
        return
    gateway.call(user, "POST", f"/api/v1/uploads/{upload}/complete")


@pytest.mark.parametrize("step", UPLOAD_STEPS)
def test_an_upload_survives_a_gateway_killed_after_any_step(
    instance: Instance, user: User, step: str
) -> None:
    data = p.content(11 * MIB)
    with _doomed(instance, step) as gateway:
        _upload_through(gateway, user, data)
        assert gateway.died(), f"the gateway never came to {step}"
    upload = p.uploaded(user, data)
    (done,) = p.commit(user, p.file(user, "survivor", upload))
    assert done["status"] == "created"
    assert p.fetched(user, done["node"]) == data
    space = user.call("GET", f"/api/v1/spaces/{user.space}").json
    assert space["used_bytes"] == len(data)
    assert space["reserved_bytes"] == 0


@pytest.mark.parametrize("step", ["completing", "completed-in-store", "seen-in-store"])
def test_the_worker_alone_finishes_a_half_done_complete(
    instance: Instance, user: User, step: str
) -> None:
    data = p.content(6 * MIB)
    with _doomed(instance, step) as gateway:
        _upload_through(gateway, user, data)
        assert gateway.died()
    (row,) = user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]
    assert row["state"] == "completing"
    _worker_until(instance, user, row["id"], "uploaded")
    (done,) = p.commit(user, p.file(user, "finished", row["id"]))
    assert p.fetched(user, done["node"]) == data


def _worker_until(instance: Instance, user: User, upload: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while p.state(user, upload) != state:
        assert time.monotonic() < deadline, p.state(user, upload)
        instance.worker("--job", "uploads", "--stuck-seconds", "0")
        time.sleep(0.5)


@pytest.mark.parametrize("step", ABORT_STEPS)
def test_an_abort_survives_a_gateway_killed_after_any_step(
    instance: Instance, user: User, step: str
) -> None:
    data = p.content(11 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    p.record(user, upload, p.put_parts(user, outcome, data))
    with _doomed(instance, step) as gateway:
        gateway.call(user, "DELETE", f"/api/v1/uploads/{upload}")
        assert gateway.died(), f"the gateway never came to {step}"
    _worker_until(instance, user, upload, "purged")
    assert p.complete(user, upload).json["code"] == "upload-state"
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["reserved_bytes"] == 0
    (fresh,) = p.begin(user, data)
    assert fresh["status"] == "new"


def test_a_single_put_survives_too(instance: Instance, user: User) -> None:
    for step in ("row-written", "seen-in-store", "record-uploaded"):
        data = p.content(300)
        with _doomed(instance, step) as gateway:
            body = {"uploads": [p.described(data)]}
            begun = gateway.call(user, "POST", f"/api/v1/spaces/{user.space}/uploads", body)
            if begun is not None:
                (outcome,) = begun["items"]
                p.put_parts(user, outcome, data)
                path = f"/api/v1/uploads/{outcome['upload']['id']}/complete"
                gateway.call(user, "POST", path)
            assert gateway.died(), step
        node = p.stored(user, f"after {step}", data)["node"]
        assert p.fetched(user, node) == data


def test_gateways_and_worker_killed_come_back(instance: Instance, user: User) -> None:
    p.stored(user, "before", b"1")
    names = [path.stem for path in (instance.var / "run").glob("gateway-*.pid")] + ["worker"]
    before = {name: instance.pid(name) for name in names}
    for name in names:
        instance.kill(name)
    deadline = time.monotonic() + 60
    for name in names:
        while not (_alive(instance, name) and instance.pid(name) != before[name]):
            assert time.monotonic() < deadline, name
            time.sleep(0.2)
    while user.call("GET", f"/api/v1/spaces/{user.space}").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    p.stored(user, "after", b"2")


def _alive(instance: Instance, name: str) -> bool:
    try:
        os.kill(instance.pid(name), 0)
    except (OSError, ValueError, IndexError):
        return False
    return True


@pytest.mark.parametrize("part", ["store", "postgres"])
def test_a_part_that_hangs_is_503_and_loses_nothing(
    instance: Instance, user: User, part: str
) -> None:
    """SIGSTOP is the worst way to be gone: connections stay open and nothing answers."""
    data = p.content(11 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    p.record(user, upload, p.put_parts(user, outcome, data))
    frozen = _family(instance.pid(_name_of(instance, part)))
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        reply = p.complete(user, upload)
        assert reply.status in (503, 504), reply.body
        assert reply.headers["Retry-After"]
        assert reply.json["code"] in ("store-unavailable", "database-unavailable", "unavailable")
    finally:
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 45
    while (reply := p.complete(user, upload)).status == 503 and time.monotonic() < deadline:
        time.sleep(1)
    assert reply.status == 200, reply.body
    (done,) = p.commit(user, p.file(user, "patient", upload))
    assert p.fetched(user, done["node"]) == data


def _name_of(instance: Instance, part: str) -> str:
    names = [path.stem for path in (instance.var / "run").glob("*.pid")]
    wanted = "postgres" if part == "postgres" else f"store|{instance.store}|weed|minio"
    (name,) = [name for name in names if re.fullmatch(wanted, name)]
    return name


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found += [int(child) for child in children]
    return found


def test_postgres_killed_comes_back_with_all_that_was_acknowledged(
    instance: Instance, user: User
) -> None:
    nodes = {p.stored(user, f"k{n}", b"%d" % n)["node"]: b"%d" % n for n in range(5)}
    instance.kill("postgres", signal.SIGKILL)
    deadline = time.monotonic() + 90
    while user.call("GET", f"/api/v1/spaces/{user.space}").status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for node, data in nodes.items():
        assert p.fetched(user, node) == data
