"""kill -9 of the worker that finishes what a killed gateway left: the next worker ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from . import protocol as p
from .instance import ROOT, Instance, User
from .test_crashes import _doomed, _upload_through

MIB = 1 << 20


def _worker_dies(instance: Instance, step: str) -> None:
    """Its lease is short, so that the next worker needn't wait for it."""
    command = "--once --job uploads --stuck-seconds 0 --lease-seconds 2"
    done = subprocess.run(
        [sys.executable, "-m", "appliance.workers", *command.split()],
        cwd=ROOT,
        env=instance.env | {"STOWBAY_CRASH_AT": step},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, (step, done.stderr.decode())


def _worker_ends_it(instance: Instance, user: User, upload: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        instance.worker("--job", "uploads", "--stuck-seconds", "0")
        if (now := p.state(user, upload)) == state:
            return
        assert time.monotonic() < deadline, now
        time.sleep(0.3)


@pytest.mark.parametrize("step", ["completed-in-store", "seen-in-store", "record-uploaded"])
def test_a_complete_survives_gateway_and_worker_killed(
    instance: Instance, user: User, step: str
) -> None:
    data = p.content(11 * MIB)
    with _doomed(instance, "completing") as gateway:
        _upload_through(gateway, user, data)
        assert gateway.died()
    (row,) = user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]
    assert row["state"] == "completing"
    _worker_dies(instance, step)
    _worker_ends_it(instance, user, row["id"], "uploaded")
    (done,) = p.commit(user, p.file(user, "finished", row["id"]))
    assert p.fetched(user, done["node"]) == data
    space = user.call("GET", f"/api/v1/spaces/{user.space}").json
    assert (space["used_bytes"], space["reserved_bytes"]) == (len(data), 0)


@pytest.mark.parametrize(
    ("step", "size"),
    [
        ("aborted-in-store", 11 * MIB),
        ("record-purged", 11 * MIB),
        ("deleted-in-store", 300),
        ("record-purged", 300),
    ],
)
def test_an_abort_survives_gateway_and_worker_killed(
    instance: Instance, user: User, step: str, size: int
) -> None:
    data = p.content(size)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    assert outcome["upload"]["method"] == ("multipart" if size > MIB else "single")
    p.put_parts(user, outcome, data)
    with _doomed(instance, "aborting") as gateway:
        gateway.call(user, "DELETE", f"/api/v1/uploads/{upload}")
        assert gateway.died()
    assert p.state(user, upload) == "aborting"
    _worker_dies(instance, step)
    _worker_ends_it(instance, user, upload, "purged")
    assert p.complete(user, upload).json["code"] == "upload-state"
    # The URL of a single PUT is still good, so its bytes may still come.
    promised = 0 if outcome["upload"]["method"] == "multipart" else size
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["reserved_bytes"] == promised
    node = p.stored(user, "anew", data)["node"]
    assert p.fetched(user, node) == data
