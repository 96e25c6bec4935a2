"""The lab itself: what a power cut keeps, and that nothing outlives the lab's first process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.lab import ask, down, enter, need_root, up
from tests.cluster.places import REPOSITORY, Lab


def on_host(lab: Lab, host: str, command: str) -> str:
    ssh = ["ssh", "-F", str(lab.ssh_config), host, command]
    done = subprocess.run(enter(lab, ssh), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def processes_of(lab: Lab) -> list[str]:
    """Whatever still names the lab's folder on its command line, or sits in one of its cgroups."""
    left = [
        str(each)
        for each in Path("/sys/fs/cgroup").glob(f"*/stowbay-lab-{lab.name}/**/cgroup.procs")
        if each.read_text()
    ]
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(lab.folder) in each.read_text():
                left.append(each.read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return left


@pytest.fixture(scope="module", autouse=True)
def root() -> None:
    """One sentence, not the same failure of each test."""
    try:
        need_root()
    except SystemExit as sentence:
        pytest.exit(str(sentence), returncode=1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab("test-lab")
    up(made, 2)
    try:
        yield made
    finally:
        down(made)


def test_hosts_reach_each_other_by_name_and_differ(lab):
    assert on_host(lab, "c1", "ping -c1 -W5 c2 >/dev/null && echo yes") == "yes"
    identities = {on_host(lab, each, "cat /etc/machine-id") for each in ("c1", "c2")}
    assert len(identities) == 2


def test_a_host_boots_with_nothing_failed(lab):
    assert on_host(lab, "c2", "systemctl is-system-running --wait") == "running"


def test_a_power_cut_keeps_root_and_drives_until_they_are_replaced(lab):
    on_host(lab, "c1", "echo kept >/root/note; echo kept >/srv/stowbay/drives/d1/note; sync")
    read = "cat /root/note /srv/stowbay/drives/d1/note 2>/dev/null || true"
    ask(lab, do="power-cut", host="c1")
    assert ask(lab, do="status")["hosts"]["c1"] == 0
    ask(lab, do="boot", host="c1", fresh_disks=False, fresh_root=False)
    assert on_host(lab, "c1", read) == "kept\nkept"
    ask(lab, do="power-cut", host="c1")
    ask(lab, do="boot", host="c1", fresh_disks=True, fresh_root=False)
    assert on_host(lab, "c1", read) == "kept"
    ask(lab, do="power-cut", host="c1")
    ask(lab, do="boot", host="c1", fresh_disks=False, fresh_root=True)
    assert on_host(lab, "c1", read) == ""


def test_a_host_that_reboots_comes_back(lab):
    leader = ask(lab, do="status")["hosts"]["c2"]
    on_host(lab, "c2", "systemd-run --quiet --on-active=1 systemctl reboot")
    deadline = time.monotonic() + 60
    while ask(lab, do="status")["hosts"]["c2"] in (0, leader):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    while True:
        try:
            assert on_host(lab, "c2", "hostname") == "c2"
            return
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_killing_the_first_process_leaves_nothing_and_no_other_lab_minds(lab):
    other = Lab("test-lab-2")
    up(other, 1)
    try:
        assert processes_of(other)
        os.kill(int(other.pid_file.read_text()), signal.SIGKILL)
        deadline = time.monotonic() + 5
        while left := processes_of(other):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert not [
            line
            for line in Path("/proc/mounts").read_text().splitlines()
            if str(other.folder) in line
        ]
    finally:
        down(other)
    assert not other.folder.exists()
    assert on_host(lab, "c1", "hostname") == "c1"


@pytest.mark.parametrize("bound", [True, False])
def test_a_bound_lab_ends_with_who_started_it_and_another_stays(bound):
    mine = Lab("test-bound")
    program = f"""
import signal
from tests.cluster.lab import Lab, up
up(Lab({mine.name!r}), 1, bound={bound})
print("up", flush=True)
signal.pause()
"""
    starter = subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert starter.stdout.readline() == "up\n"
        assert on_host(mine, "c1", "hostname") == "c1"
        starter.kill()
        starter.wait()
        deadline = time.monotonic() + 5
        while (left := processes_of(mine)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if bound:
            assert left == []
            up(mine, 1)
        assert on_host(mine, "c1", "hostname") == "c1"
    finally:
        starter.kill()
        down(mine)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_flow_leaves_no_lab(number):
    """The flow is stopped in its first step, with the hosts up."""
    mine = Lab("test-flow")
    command = [sys.executable, "-m", "tests.cluster.smoke", "--name", mine.name]
    log = REPOSITORY / "var" / "cluster" / mine.name / "0-inventories.log"
    log.unlink(missing_ok=True)
    flow = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (log.exists() and mine.socket.exists()):
            assert flow.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)
        assert ask(mine, do="status")["hosts"]["c1"] > 0
        flow.send_signal(number)
        said, _ = flow.communicate(timeout=60)
        assert flow.returncode != 0 and "passed" not in said
        assert not mine.folder.exists()
        assert processes_of(mine) == []
    finally:
        flow.kill()
        down(mine)
