"""put and get as a person uses them, against both stores: what goes in comes out."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .instance import Instance, User, tree

MIB = 1 << 20


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A small tree of everything that is awkward and can be stored."""
    root = tmp_path / "odd"
    (root / "deep" / "er" / "empty folder").mkdir(parents=True)
    rng = random.Random(7)
    (root / "empty").write_bytes(b"")
    (root / "one").write_bytes(b"1")
    (root / "README").write_bytes(b"upper")
    (root / "readme").write_bytes(b"lower")
    (root / "con.txt").write_bytes(b"windows dislikes it")
    (root / "quotes \"and' $(such) %2F \\ back").write_bytes(rng.randbytes(100))
    (root / "ünïcode 文件 \U0001f600").write_bytes(rng.randbytes(10_240))
    (root / "-dash").write_bytes(rng.randbytes(5 * MIB - 1))
    (root / "deep" / "five").write_bytes(rng.randbytes(5 * MIB))
    (root / "deep" / "er" / "big").write_bytes(rng.randbytes(23 * MIB + 17))
    (root / "deep" / "link").symlink_to("../one")
    (root / "dangling").symlink_to("./no//where")
    (root / "deep" / "script").write_bytes(b"#!/bin/sh\n")
    (root / "deep" / "script").chmod(0o755)
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0o600)
    os.utime(root / "one", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "empty", ns=(1, -5_000_000_000))
    os.utime(root / "deep", ns=(1, 1_111_111_111_111_111_111))
    return root


def test_an_awkward_tree_comes_back_as_it_was(user: User, odd: Path, tmp_path: Path) -> None:
    summary = user.json("put", odd, "/copy")
    assert summary["failed"] == []
    user.stowbay("get", "/copy", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(odd)
    assert (tmp_path / "back" / "deep").stat().st_mtime_ns == 1_111_111_111_111_111_111
    flags = {node["name"]: node["flags"] for node in user.json("ls", "/copy")}
    assert "case-twin" in flags["readme"]
    assert "case-twin" in flags["README"]
    assert "windows-unfit" in flags["con.txt"]


def test_the_same_command_again_sends_nothing(user: User, odd: Path, tmp_path: Path) -> None:
    user.stowbay("put", odd, "/copy")
    again = user.json("put", odd, "/copy")
    assert {entry["result"] for entry in again["files"]} == {"unchanged"}
    assert not any(node["name"] == "odd" for node in user.json("ls", "/copy"))
    user.stowbay("get", "/copy", tmp_path / "back")
    fetched = user.json("get", "/copy", tmp_path / "back")
    assert fetched["sent_bytes"] == 0


def test_only_what_changed_is_sent(user: User, odd: Path) -> None:
    user.stowbay("put", odd, "/copy")
    (odd / "one").write_bytes(b"changed")
    (odd / "fresh").write_bytes(b"new")
    again = user.json("put", odd, "/copy")
    done = {entry["path"]: entry["result"] for entry in again["files"] if entry["kind"] == "file"}
    assert done.pop("/copy/one") == "version"
    assert done.pop("/copy/fresh") == "created"
    assert set(done.values()) == {"unchanged"}
    assert len(user.json("versions", "/copy/one")) == 2


def test_where_things_go(user: User, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"x")
    (tmp_path / "f").write_bytes(b"f")
    user.stowbay("put", tmp_path / "f", "/renamed")
    user.stowbay("put", tmp_path / "f", "/made/for/it/")
    user.stowbay("put", tmp_path / "f", tmp_path / "d", "/several")
    user.stowbay("put", f"{tmp_path}/d/.", "/content")
    user.stowbay("mkdir", "/there")
    user.stowbay("put", tmp_path / "d", "/there")
    paths = {node["path"] for node in user.json("ls", "-R") if node["kind"] == "file"}
    assert paths == {
        "/renamed", "/made/for/it/f", "/several/f", "/several/d/x", "/content/x", "/there/d/x",
    }  # fmt: skip


def test_a_whole_space_moves_into_another(
    instance: Instance, user: User, odd: Path, tmp_path: Path
) -> None:
    """As compose/README.md says, from a trial to hosts; hidden files at the top, too."""
    (odd / ".hidden").write_bytes(b"h")
    user.stowbay("put", f"{odd}/.", "/")
    user.stowbay("get", "/", tmp_path / "move")
    assert tree(tmp_path / "move") == tree(odd)
    (tmp_path / "other").mkdir()
    other = instance.user(tmp_path / "other")
    other.stowbay("put", f"{tmp_path}/move/.", "/")
    other.stowbay("get", "/", tmp_path / "there")
    assert tree(tmp_path / "there") == tree(odd)


def test_excludes_and_dry_run(user: User, odd: Path) -> None:
    plan = user.json("put", "-n", "--exclude", "deep/", "--exclude", "*eadme", odd, "/copy")
    paths = {one["path"] for one in plan["files"]}
    assert "/copy/README" in paths
    assert not any("readme" in path or "/deep" in path for path in paths)
    assert user.json("ls") == []


def test_standard_input(user: User) -> None:
    data = random.Random(3).randbytes(12 * MIB)
    user.stowbay("put", "-", "/in/stream", input=data)
    assert user.stowbay("cat", "/in/stream").stdout == data
    assert (
        user.stowbay("cat", "--range", "6000000-9000000", "/in/stream").stdout
        == (data[6_000_000:9_000_001])
    )
    assert user.stowbay("cat", "--range", "-5", "/in/stream").stdout == data[-5:]


def test_stat_shows_the_chunks(user: User, tmp_path: Path) -> None:
    data = random.Random(4).randbytes(30 * MIB)
    (tmp_path / "f").write_bytes(data)
    user.stowbay("put", tmp_path / "f", "/f")
    shown = user.json("stat", "/f")
    assert shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert (shown["size"], shown["status"], shown["path"]) == (len(data), "uploaded", "/f")
    at = 0
    for index, chunk in enumerate(shown["chunks"]):
        piece = data[at : at + chunk["length"]]
        assert (chunk["index"], chunk["offset"], chunk["status"]) == (index, at, "uploaded")
        assert hashlib.sha256(piece).hexdigest() == chunk["sha256"]
        at += chunk["length"]
    assert at == len(data)


def test_content_that_is_there_is_not_sent_again(user: User, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(random.Random(5).randbytes(15 * MIB))
    user.stowbay("put", tmp_path / "f", "/a")
    [entry] = user.json("put", tmp_path / "f", "/b")["files"]
    assert (entry["how"], entry["sent"]) == ("known", 0)
    user.stowbay("get", "/b", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "f").read_bytes()


def test_a_failure_of_some_is_told_and_the_rest_is_done(user: User, tmp_path: Path) -> None:
    root = tmp_path / "d"
    root.mkdir()
    (root / "good").write_bytes(b"good")
    (root / "later").write_bytes(b"later")
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"\xff")).write_bytes(b"undecodable")
    done = user.stowbay("put", "--json", root, "/d", check=False)
    assert done.returncode == 3
    summary = json.loads(done.stdout)
    assert {one["code"] for one in summary["failed"]} == {"not-stored", "invalid-name"}
    assert b"pipe" in done.stderr
    assert {node["name"] for node in user.json("ls", "/d")} == {"good", "later"}


def test_a_file_that_grows_while_it_is_read_is_not_committed(user: User, tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.write_bytes(bytes(200 * MIB))
    running = user.start("put", place, "/log")
    while running.poll() is None:
        with place.open("ab") as log:
            log.write(b"another line\n")
        time.sleep(0.01)
    assert running.returncode == 11
    assert running.stderr is not None
    assert b"[file-changed]" in running.stderr.read()
    assert user.json("ls") == []


def test_a_conflict_overwrites_nothing(user: User, tmp_path: Path) -> None:
    """The base is the version seen: a slow put loses against a quick one that came between."""
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    quick.write_bytes(b"first")
    user.stowbay("put", quick, "/f")
    slow.write_bytes(os.urandom(256 * MIB))
    running = user.start("put", slow, "/f")
    _until(lambda: bool(_uploads(user)))
    running.send_signal(signal.SIGSTOP)
    quick.write_bytes(b"second, by somebody else")
    user.stowbay("put", quick, "/f")
    running.send_signal(signal.SIGCONT)
    assert running.wait(120) == 7
    assert user.stowbay("cat", "/f").stdout == b"second, by somebody else"
    again = user.json("put", slow, "/f")
    assert again["files"][0]["how"] == "known", "the bytes were kept, and committed without sending"


def test_put_goes_on_after_kill_9_from_another_machine(
    instance: Instance, user: User, tmp_path: Path
) -> None:
    place = tmp_path / "big"
    place.write_bytes(os.urandom(256 * MIB))
    arrived = _arrived(instance)
    running = user.start("put", place, "/big")
    _until(lambda: len(_uploads(user)) == 1)
    _until(lambda: _arrived(instance) >= arrived + 4)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert user.json("ls") == []
    other = instance.sign_in(user.login, user.password, tmp_path)
    [entry] = other.json("put", place, "/big")["files"]
    assert entry["how"] == "resume"
    assert 0 < entry["sent"] < 256 * MIB
    other.stowbay("get", "/big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == place.read_bytes()


def test_get_goes_on_after_kill_9(user: User, tmp_path: Path) -> None:
    place, back = tmp_path / "big", tmp_path / "back"
    place.write_bytes(os.urandom(256 * MIB))
    user.stowbay("put", place, "/big")
    running = user.start("get", "/big", back)
    part = tmp_path / ".back.stowbay-part"
    _until(lambda: part.exists() and part.stat().st_blocks * 512 > 60 * MIB)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not back.exists()
    [entry] = user.json("get", "/big", back)["files"]
    assert 0 < entry["sent"] < 256 * MIB
    assert back.read_bytes() == place.read_bytes()
    assert not part.exists()


def test_ctrl_c_ends_soon_and_can_be_resumed(user: User, tmp_path: Path) -> None:
    place = tmp_path / "big"
    place.write_bytes(os.urandom(256 * MIB))
    running = user.start("put", place, "/big")
    _until(lambda: bool(_uploads(user)))
    running.send_signal(signal.SIGINT)
    assert running.wait(15) == 130
    assert running.stderr is not None
    said = running.stderr.read()
    assert b"interrupted" in said
    assert b"Traceback" not in said
    assert user.json("put", place, "/big")["files"][0]["how"] == "resume"


def test_memory_does_not_grow_with_the_file(user: User, tmp_path: Path) -> None:
    place = tmp_path / "big"
    place.write_bytes(bytes(512 * MIB))
    for arguments in (("put", place, "/big"), ("get", "/big", tmp_path / "back")):
        running = user.start(*map(str, arguments))
        peak = 0
        while running.poll() is None:
            peak = max(peak, _resident(running.pid))
            time.sleep(0.02)
        assert running.returncode == 0
        assert 20 * MIB < peak < 250 * MIB, f"{arguments[0]} took {peak} bytes"


def _resident(pid: int) -> int:
    """The most it ever held, in bytes; ru_maxrss would count the test's own size at the fork."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def test_nothing_is_written_through_a_local_link(user: User, tmp_path: Path) -> None:
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "f").write_bytes(b"f")
    (tmp_path / "d" / "g").write_bytes(b"g")
    user.stowbay("put", tmp_path / "d", "/d")
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (out / "d").mkdir(parents=True)
    (out / "d" / "sub").symlink_to(outside)
    done = user.stowbay("get", "/d", f"{out}/", check=False)
    assert done.returncode == 3
    assert list(outside.iterdir()) == []
    assert (out / "d" / "g").read_bytes() == b"g"


def _uploads(user: User) -> Any:
    """Straight from the API: the command takes longer to start than a part to arrive."""
    return user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]


def _arrived(instance: Instance) -> int:
    """PUTs that nginx has seen the store take."""
    text = (instance.var / "log" / "nginx-upload.log").read_text()
    return text.count('"status":200')


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it didn't come to that in time"
        time.sleep(0.01)
