"""Left-over processes: found by identity, stopped with all they started, nobody else touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from appliance.machine.process import (
    Identity,
    Records,
    end_group,
    identify,
    still_runs,
    stop_left_over,
    with_death_signal,
)

STUBBORN = "trap '' TERM; sleep 300 & wait; sleep 300"


def _start(*argv: str) -> tuple[subprocess.Popen[bytes], Identity]:
    process = subprocess.Popen(argv, start_new_session=True)
    identity = identify(process.pid, signal.SIGTERM, 0.5)
    assert identity is not None
    return process, identity


def test_a_process_runs_until_it_has_ended_and_a_zombie_has() -> None:
    process, identity = _start("sleep", "300")
    assert still_runs(identity)
    process.kill()
    deadline = time.monotonic() + 5
    while still_runs(identity) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert Path(f"/proc/{process.pid}").exists(), "not waited for: a zombie"
    assert not still_runs(identity)
    process.wait()
    assert identify(process.pid) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_a_reused_number_is_somebody_else_and_is_left_alone(change: dict[str, object]) -> None:
    process, identity = _start("sleep", "300")
    try:
        foreign = msgspec.structs.replace(identity, **change)
        assert not still_runs(foreign)
        assert stop_left_over({"part": foreign}) == []
        end_group(foreign)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_left_over_parts_go_with_their_children_even_when_they_ignore_the_signal() -> None:
    process, identity = _start("sh", "-c", STUBBORN)
    members = _wait_for_members(process.pid, 2)
    started = time.monotonic()
    # The test is the parent, so it must collect what it sees die.
    assert stop_left_over({"part": identity}, sleep=_collecting(process)) == ["part"]
    assert time.monotonic() - started < 10
    assert not [pid for pid in members if _lives(pid)]


def test_children_whose_leader_has_died_are_found_and_ended() -> None:
    process, identity = _start("sh", "-c", "sleep 300 & wait")
    members = _wait_for_members(process.pid, 2)
    process.kill()
    process.wait()
    assert [pid for pid in members if _lives(pid)], "the child outlives its leader"
    assert stop_left_over({"part": identity}) == ["part"]
    assert not [pid for pid in members if _lives(pid)]


def test_a_part_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    argv = with_death_signal(signal.SIGTERM, ["sleep", "300"])
    code = (
        "import pathlib, subprocess, sys, time\n"
        f"p = subprocess.Popen({argv!r}, start_new_session=True)\n"
        "time.sleep(0.3)\n"
        f"pathlib.Path({str(told)!r}).write_text(str(p.pid))\n"
        "time.sleep(300)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    part = int(told.read_text())
    assert _lives(part)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while _lives(part) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _lives(part)


def test_records_survive_their_writer_and_name_each_process_in_a_file(tmp_path: Path) -> None:
    mine = identify(os.getpid())
    assert mine is not None
    Records(tmp_path).add("gateway-0", mine)
    assert (tmp_path / "gateway-0.pid").read_text() == f"{os.getpid()}\n"
    later = Records(tmp_path)
    assert later.load() == {"gateway-0": mine}
    later.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_broken_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "children.json").write_text(text)
    assert Records(tmp_path).load() == {}


def _lives(pid: int) -> bool:
    identity = identify(pid)
    return identity is not None and still_runs(identity)


def _wait_for_members(leader: int, count: int) -> list[int]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--sid", str(leader)], capture_output=True, text=True, check=False
        )
        members = [int(word) for word in found.stdout.split()]
        if len(members) >= count:
            return members
        time.sleep(0.02)
    raise AssertionError("the children did not start")


def _collecting(process: subprocess.Popen[bytes]):  # type: ignore[no-untyped-def]
    def sleep(seconds: float) -> None:
        process.poll()
        time.sleep(seconds)

    return sleep
