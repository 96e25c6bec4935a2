"""kill -9 of `stowbay put` late in its run, and parts of the server that hang during it.

The same command again must find what was done, send only the rest, and leave every byte there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .instance import Instance, User
from .test_crashes import _family, _name_of

MIB = 1 << 20
Reached = Callable[[dict[str, Any]], bool]


def _all_recorded(upload: dict[str, Any]) -> bool:
    return upload["state"] == "uploading" and not upload["missing"]


def _complete(upload: dict[str, Any]) -> bool:
    return upload["state"] in ("completing", "uploaded")


@pytest.mark.parametrize("reached", [_all_recorded, _complete])
def test_killed_between_the_last_part_and_the_commit(
    user: User, tmp_path: Path, reached: Reached
) -> None:
    place, size = tmp_path / "big", 20 * MIB
    for attempt in range(1, 11):
        place.write_bytes(os.urandom(size))
        running = user.start("put", place, f"/big{attempt}")
        if _killed_when(user, running, reached) and not _exists(user, f"/big{attempt}"):
            break
    else:
        raise AssertionError("the client was never seen there")
    [entry] = user.json("put", place, f"/big{attempt}")["files"]
    assert (entry["how"] in ("known", "resume"), entry["sent"]) == (True, 0)
    assert user.stowbay("cat", f"/big{attempt}").stdout == place.read_bytes()
    usage = user.json("usage")
    assert (usage["used_bytes"], usage["reserved_bytes"]) == (attempt * size, 0)


def _killed_when(user: User, running: subprocess.Popen[bytes], reached: Reached) -> bool:
    """Lets the client run for moments only, so that what is between two requests can be seen."""
    upload: str | None = None
    deadline = time.monotonic() + 90
    while running.poll() is None:
        assert time.monotonic() < deadline
        if upload is None:
            found = user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]
            upload = found[0]["id"] if found else None
            continue
        running.send_signal(signal.SIGSTOP)
        time.sleep(0.01)  # what it has asked for arrives
        here = reached(user.call("GET", f"/api/v1/uploads/{upload}").json)
        if here:
            running.kill()
        running.send_signal(signal.SIGCONT)
        if here:
            return running.wait(10) == -signal.SIGKILL
        time.sleep(0.004)
    assert running.returncode == 0
    return False


def _exists(user: User, path: str) -> bool:
    reply = user.call("GET", f"/api/v1/spaces/{user.space}/resolve?path={path}")
    assert reply.status in (200, 404), reply.body
    return reply.status == 200


def test_killed_when_some_of_many_small_files_are_committed(user: User, tmp_path: Path) -> None:
    root, count, size = tmp_path / "many", 1800, 700  # more than are on the way at once
    root.mkdir()
    for number in range(count):
        (root / f"f{number}").write_bytes(os.urandom(size))
    for number in range(10):  # the same bytes twice are one blob
        (root / f"twin{number}").write_bytes((root / f"f{number}").read_bytes())
    running = user.start("put", root, "/many")
    space = f"/api/v1/spaces/{user.space}"
    deadline = time.monotonic() + 60
    while not user.call("GET", space).json["used_bytes"]:
        assert running.poll() is None and time.monotonic() < deadline
    running.kill()
    assert running.wait(10) == -signal.SIGKILL
    committed = len(user.json("ls", "/many"))
    assert 0 < committed < count + 10, "it was killed before or after, not in the middle"
    summary = user.json("put", root, "/many")
    results = [entry["result"] for entry in summary["files"] if entry["kind"] == "file"]
    assert results.count("unchanged") >= committed
    assert results.count("created") == count + 10 - results.count("unchanged")
    user.stowbay("get", "/many", tmp_path / "back")
    assert _bytes(tmp_path / "back") == _bytes(root)
    usage = user.json("usage")
    assert (usage["used_bytes"], usage["reserved_bytes"]) == (count * size, 0)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_a_put_waits_for_parts_that_hang(instance: Instance, user: User, tmp_path: Path) -> None:
    place = tmp_path / "big"
    place.write_bytes(os.urandom(96 * MIB))
    log = instance.var / "log" / "nginx-upload.log"
    before = log.stat().st_size
    running = user.start("put", place, "/big")
    deadline = time.monotonic() + 60
    while log.stat().st_size == before:  # a part has arrived
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    frozen: list[int] = []
    try:
        for part in ("store", "postgres"):
            gone = _family(instance.pid(_name_of(instance, part)))
            _send(gone, signal.SIGSTOP)
            _send(frozen, signal.SIGCONT)
            frozen = gone
            time.sleep(6)
            assert running.poll() is None, f"it ended without the {part}"
    finally:
        _send(frozen, signal.SIGCONT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said.decode()
    assert b"Traceback" not in said
    assert user.stowbay("cat", "/big").stdout == place.read_bytes()
    assert user.json("usage")["used_bytes"] == 96 * MIB


def _send(pids: list[int], number: int) -> None:
    for pid in pids if number == signal.SIGSTOP else reversed(pids):
        os.kill(pid, number)
