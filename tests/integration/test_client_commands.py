"""The verbs that move no bytes, and what the client does when parts of the server are gone."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import Any

from .instance import BIN, Instance, User

MIB = 1 << 20


def put(user: User, path: str, data: bytes) -> None:
    user.stowbay("put", "-", path, input=data)


def paths(user: User) -> set[str]:
    return {node["path"] for node in user.json("ls", "-R")}


def test_signing_in_and_out(instance: Instance, user: User, tmp_path: Path) -> None:
    assert user.json("whoami")["account"]["login"] == user.login
    assert user.profile.joinpath("profile.json").stat().st_mode & 0o777 == 0o600
    other = instance.sign_in(user.login, user.password, tmp_path)
    devices = user.json("devices")
    assert sum(one["current"] for one in devices) == 1
    gone = next(one for one in other.json("devices") if one["current"])["id"]
    user.stowbay("devices", "--revoke", gone)
    assert other.stowbay("ls", check=False).returncode == 5
    user.stowbay("logout")
    done = user.stowbay("ls", check=False)
    assert done.returncode == 5
    assert b"stowbay login" in done.stderr


def test_a_wrong_password_and_an_unknown_authority(user: User, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not it")
    url = user.instance.url
    arguments = ("login", "--user", user.login, "--password-file", wrong, url)
    assert user.stowbay(*arguments, check=False).returncode == 5
    done = user.stowbay(*arguments, check=False, env={"STOWBAY_CA": ""})
    assert done.returncode == 9
    assert b"--ca" in done.stderr


def test_changing_the_password_signs_others_out(user: User, tmp_path: Path) -> None:
    other = user.instance.sign_in(user.login, user.password, tmp_path)
    assert other.stowbay("ls").returncode == 0
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(user.password)
    new.write_text("another long password")
    user.stowbay("passwd", "--password-file", old, "--new-password-file", new)
    assert user.stowbay("ls").returncode == 0
    assert other.stowbay("ls", check=False).returncode == 5


def test_moving_copying_removing_restoring(user: User) -> None:
    user.stowbay("mkdir", "-p", "/a/b")
    assert user.stowbay("mkdir", "/a", check=False).returncode == 7
    assert user.stowbay("mkdir", "/x/y", check=False).returncode == 4
    put(user, "/a/b/f", b"content")
    user.stowbay("mv", "/a/b/f", "/a/g")
    user.stowbay("cp", "/a", "/c")
    assert paths(user) == {"/a", "/a/b", "/a/g", "/c", "/c/b", "/c/g"}
    assert user.stowbay("cat", "/c/g").stdout == b"content"
    assert user.stowbay("mv", "/a", "/a/b", check=False).returncode == 7
    assert user.stowbay("mv", "/a/g", "/c/g", check=False).returncode == 7
    user.stowbay("rm", "/a/g", "/c")
    assert {item["path"] for item in user.json("trash", "list")} == {"/a/g", "/c"}
    user.stowbay("restore", "/a/g")
    user.stowbay("restore", "c", "--to", "/d")
    assert paths(user) == {"/a", "/a/b", "/a/g", "/d", "/d/b", "/d/g"}
    assert user.stowbay("rm", "--permanent", "/d", check=False).returncode == 10
    user.stowbay("rm", "--permanent", "-r", "/d")
    user.stowbay("rm", "/a")
    user.stowbay("trash", "empty", "-y")
    assert user.json("trash", "list") == []
    assert paths(user) == set()


def test_some_of_what_is_removed_is_missing(user: User) -> None:
    put(user, "/f", b"1")
    assert user.stowbay("rm", "/nope", "/f", check=False).returncode == 3
    assert user.stowbay("rm", "/nope", check=False).returncode == 4
    assert paths(user) == set()


def test_versions(user: User, tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        put(user, "/f", content)
    found = user.json("versions", "/f")
    assert [version["current"] for version in found] == [True, False, False]
    user.stowbay("get", "--version", found[2]["id"], "/f", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"one"
    user.stowbay("versions", "/f", "--restore", "2")
    assert user.stowbay("cat", "/f").stdout == b"two"
    assert len(user.json("versions", "/f")) == 4


def test_finding(user: User) -> None:
    user.stowbay("mkdir", "-p", "/deep/er")
    put(user, "/deep/er/Report 2026.txt", b"x")
    put(user, "/other", b"y")
    assert [node["path"] for node in user.json("find", "report")] == ["/deep/er/Report 2026.txt"]


def test_usage_and_the_quota(instance: Instance, tmp_path: Path) -> None:
    user = instance.user(tmp_path, "--quota", "1M")
    put(user, "/f", bytes(600_000))
    assert user.json("usage")["used_bytes"] == 600_000
    done = user.stowbay("put", "-", "/g", input=bytes(range(256)) * 3000, check=False)
    assert done.returncode == 8
    assert b"[quota-exceeded]" in done.stderr
    assert paths(user) == {"/f"}


def test_uploads_are_listed_and_aborted(user: User, tmp_path: Path) -> None:
    place = tmp_path / "big"
    place.write_bytes(os.urandom(200 * MIB))
    running = user.start("put", place, "/big")
    end = time.monotonic() + 60
    address = f"/api/v1/spaces/{user.space}/uploads"
    while not user.call("GET", address).json["items"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    [upload] = user.json("uploads", "list")
    assert user.json("usage")["reserved_bytes"] == 200 * MIB
    user.stowbay("uploads", "abort", upload["id"])
    assert user.json("uploads", "list") == []


def test_a_put_survives_a_restart_of_the_gateways(
    instance: Instance, user: User, tmp_path: Path
) -> None:
    """503 and broken connections are waited out; nothing is lost and nothing comes twice."""
    root = tmp_path / "d"
    root.mkdir()
    for number in range(1500):
        (root / f"f{number}").write_bytes(os.urandom(2000))
    running = user.start("put", "--json", root, "/d")
    time.sleep(0.6)
    for name in ("gateway-0", "gateway-1"):
        instance.kill(name)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err.decode()
    summary = json.loads(out)
    assert summary["failed"] == []
    assert len(user.json("ls", "/d")) == 1500
    user.stowbay("get", "/d", tmp_path / "back")
    assert {p.name: p.read_bytes() for p in (tmp_path / "back").iterdir()} == {
        p.name: p.read_bytes() for p in root.iterdir()
    }


def test_patience_ends_with_a_clear_word(user: User) -> None:
    user.stowbay("whoami")
    place = user.profile / "profile.json"
    document: dict[str, Any] = json.loads(place.read_text())
    place.write_text(json.dumps(document | {"url": "https://localhost:1"}))
    began = time.monotonic()
    done = user.stowbay("ls", check=False, env={"STOWBAY_PATIENCE": "2"})
    assert done.returncode == 9
    assert b"[unreachable]" in done.stderr
    assert b"Traceback" not in done.stderr
    assert time.monotonic() - began < 15


def test_a_reader_that_has_seen_enough(user: User) -> None:
    put(user, "/f", os.urandom(8 * MIB))
    line = f"'{BIN}/stowbay' cat /f | head -c 10 | wc -c"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=user.client_env(), timeout=60
    )
    assert done.stdout.strip() == b"10"
    assert b"Traceback" not in done.stderr


def test_cat_that_is_stopped_while_it_writes(user: User) -> None:
    """Where a container's settings make Python's output unbuffered, too."""
    content = os.urandom(3 * MIB)
    put(user, "/f", content)
    running = user.start("cat", "/f", env={"PYTHONUNBUFFERED": "1"})
    assert running.stdout is not None
    full = fcntl.fcntl(running.stdout, fcntl.F_GETPIPE_SZ)
    deadline = time.monotonic() + 30
    while (
        int.from_bytes(fcntl.ioctl(running.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)
        < full
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    running.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    running.send_signal(signal.SIGCONT)
    got = running.communicate(timeout=60)[0]
    assert running.returncode == 0
    assert got == content


def test_two_clients_put_the_same_file_at_once(user: User, tmp_path: Path) -> None:
    place = tmp_path / "f"
    place.write_bytes(os.urandom(60 * MIB))
    done: list[int] = []

    def send(name: str) -> None:
        done.append(user.stowbay("put", place, name, check=False).returncode)

    threads = [threading.Thread(target=send, args=(f"/copy{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [0, 0, 0]
    for number in range(3):
        assert user.stowbay("cat", f"/copy{number}").stdout == place.read_bytes()
