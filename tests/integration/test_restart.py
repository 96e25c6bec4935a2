"""What was acknowledged is there after `down` and `up`, and after a supervisor that was killed."""

from __future__ import annotations

import base64
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.machine.state import read_state

from .instance import Instance, User, free_ports

MIB = 1 << 20


@contextmanager
def _running(store: str, var: Path, **extra: str) -> Iterator[Instance]:
    found = Instance(store, var, free_ports(), extra)
    try:
        found.up()
        yield found
    finally:
        found.down()
        shutil.rmtree(var, ignore_errors=True)


def _put(user: User, folder: Path) -> dict[str, bytes]:
    """A file of several parts and a small one; path to content."""
    files = {"/large": os.urandom(11 * MIB), "/small": os.urandom(300)}
    for path, data in files.items():
        place = folder / f"{user.login}-{path[1:]}"
        place.write_bytes(data)
        user.stowbay("put", place, path)
    return files


def _assert_there(user: User, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        assert user.stowbay("cat", path).stdout == data


@pytest.mark.parametrize("store", ["seaweedfs", "minio"])
def test_files_outlive_the_processes(
    store: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with _running(store, tmp_path_factory.mktemp("var-restart")) as machine:
        user = machine.user(tmp_path, "--quota", "1G")
        files = _put(user, tmp_path)
        machine.down()
        machine.up()
        _assert_there(user, files)
        state = read_state(machine.var / "run")
        assert state is not None
        os.kill(state.supervisor.pid, signal.SIGKILL)
        machine.up()
        again = read_state(machine.var / "run")
        assert again is not None
        assert again.supervisor.pid != state.supervisor.pid
        _assert_there(user, files)
        [entry] = user.json("put", tmp_path / f"{user.login}-large", "/copy")["files"]
        assert (entry["how"], entry["sent"]) == ("known", 0)


def test_users_of_two_databases(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    var = tmp_path_factory.mktemp("var-halves")
    with _running("seaweedfs", var, STOWBAY_DATABASES="2") as machine:
        first, second = machine.settings["databases"]
        assert first["last_slot"] + 1 == second["first_slot"]
        users: list[User] = []
        halves: set[bool] = set()
        while len(users) < 3 or len(halves) < 2:  # where a user goes is drawn at birth
            users.append(machine.user(tmp_path, "--quota", "1G"))
            halves.add(_slot(users[-1]) >= second["first_slot"])
            assert len(users) < 30
        files = {user.login: _put(user, tmp_path) for user in users}
        for user in users:
            _assert_there(user, files[user.login])
            assert user.json("usage")["used_bytes"] == 11 * MIB + 300
        machine.down()
        machine.up()
        for user in users:
            _assert_there(user, files[user.login])


def _slot(user: User) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(user.space[1:] + "="), "big") >> 47
