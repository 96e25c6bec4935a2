"""`up`, `down`, `run` as a newcomer uses them, on an instance that these tests may break."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.machine.options import read_options
from appliance.machine.state import read_state

from .instance import ROOT, Instance, free_ports

PARTS = {"postgres", "redis", "store", "gateway-0", "gateway-1", "worker", "nginx"}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    var = tmp_path_factory.mktemp("var-machine")
    found = Instance("seaweedfs", var, free_ports())
    yield found
    found.down()
    shutil.rmtree(var, ignore_errors=True)


def _processes(machine: Instance) -> list[int]:
    """Every process whose command line or folder lies in the instance."""
    mark = os.fsencode(machine.var)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                here = mark in (entry / "cmdline").read_bytes()
                here = here or str((entry / "cwd").readlink()).startswith(str(machine.var))
            except OSError:
                continue
            if here:
                found.append(int(entry.name))
    return found


def _memory(machine: Instance) -> Path:
    return read_options(machine.env, ROOT).places.memory


def _assert_nothing_is_left(machine: Instance) -> None:
    assert _processes(machine) == []
    assert not _memory(machine).exists()
    assert not list((machine.var / "run").glob("*.pid"))


def _sign_in(machine: Instance) -> int:
    body = {"login": machine.admin, "password": machine.password_file.read_text().strip()}
    return machine.call("POST", "/api/v1/session", body).status


def test_up_returns_when_the_product_answers_and_says_where(machine: Instance) -> None:
    told = machine.machine("up").stdout
    assert machine.call("GET", "/health/ready").status == 200
    assert machine.url in told
    assert _sign_in(machine) == 201
    assert {each.stem for each in (machine.var / "run").glob("*.pid")} == PARTS


def test_a_second_up_leaves_all_as_it_is(machine: Instance) -> None:
    machine.up()
    before = {name: machine.pid(name) for name in PARTS}
    assert "already" in machine.machine("up").stdout
    assert {name: machine.pid(name) for name in PARTS} == before


def test_no_password_is_printed_or_shown_in_the_process_list(machine: Instance) -> None:
    machine.up()
    secrets = [each.read_text().strip() for each in (machine.var / "secrets").glob("*")]
    shown = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout
    shown += machine.machine("status").stdout + machine.machine("up").stdout
    for log in ("supervisor", "admin", "postgres", "redis"):
        shown += (machine.var / "log" / f"{log}.log").read_text()
    for secret in secrets:
        for word in secret.split(":"):
            assert word not in shown


def test_files_of_the_instance_are_its_owners_alone(machine: Instance) -> None:
    machine.up()
    # What lies in a folder that only its owner may enter is as private as the folder.
    for path in machine.var.iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{path.name} has mode {mode:o}"
    for path in (machine.var / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((machine.var / "access.env").stat().st_mode) == 0o600


def test_every_listener_is_on_loopback(machine: Instance) -> None:
    machine.up()
    inodes = set()
    for pid in _processes(machine):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            target = str(link.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.append(fields[1].split(":")[0])
    assert len(addresses) >= 12
    assert set(addresses) == {"0100007F"}


def test_a_reload_of_nginx_interrupts_nobody(machine: Instance) -> None:
    machine.up()
    before = machine.pid("nginx")
    machine.machine("nginx-reload")
    for _ in range(20):
        assert machine.call("GET", "/health/live").status == 200
    assert machine.pid("nginx") == before


def test_after_a_killed_supervisor_up_cleans_up_and_the_data_is_there(machine: Instance) -> None:
    machine.up()
    state = read_state(machine.var / "run")
    assert state is not None
    # A part that is stopped can't follow the supervisor by itself: it is left over for certain.
    store = machine.pid("store")
    os.kill(store, signal.SIGSTOP)
    os.kill(state.supervisor.pid, signal.SIGKILL)
    machine.up()
    assert not Path(f"/proc/{store}").exists()
    assert _sign_in(machine) == 201
    assert "store" in (machine.var / "log" / "supervisor.log").read_text().split("left over")[0]


def test_down_after_a_killed_supervisor_leaves_nothing(machine: Instance) -> None:
    machine.up()
    state = read_state(machine.var / "run")
    assert state is not None
    os.kill(state.supervisor.pid, signal.SIGKILL)
    machine.down()
    _assert_nothing_is_left(machine)


def test_down_leaves_nothing_running_and_a_second_one_is_content(machine: Instance) -> None:
    machine.up()
    machine.down()
    _assert_nothing_is_left(machine)
    assert machine.machine("status", check=False).returncode == 1
    assert "isn't running" in machine.machine("down").stdout


def test_a_busy_port_is_named_with_its_setting_before_anything_starts(machine: Instance) -> None:
    machine.down()
    with socket.create_server(("127.0.0.1", machine.port_base + 13)):
        done = machine.machine("up", check=False)
    assert done.returncode == 1
    assert f"port {machine.port_base + 13} is in use" in done.stdout
    assert "STOWBAY_PORT_REDIS" in done.stdout
    _assert_nothing_is_left(machine)


def test_up_fails_with_the_log_of_the_part_that_failed(machine: Instance) -> None:
    machine.up()
    machine.down()
    settings = machine.var / "postgres" / "data" / "postgresql.conf"
    good = settings.read_bytes()
    try:
        with settings.open("ab") as handle:
            handle.write(b"no_such_setting = 1\n")
        done = machine.machine("up", check=False)
    finally:
        with settings.open("wb") as handle:
            handle.write(good)
    assert done.returncode == 1
    assert "postgres" in done.stdout
    assert 'unrecognized configuration parameter "no_such_setting"' in done.stdout
    _assert_nothing_is_left(machine)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ([sys.executable, "-m", "appliance.machine", "run"], 0),
        (["make", "--no-print-directory", "run"], -signal.SIGINT),  # 130 for a shell
    ],
    ids=["python", "make"],
)
def test_run_prints_where_it_is_and_ctrl_c_stops_it_cleanly(
    machine: Instance, command: list[str], code: int
) -> None:
    machine.down()
    output = machine.var / "run-output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            # A shell's background job ignores SIGINT, and hands that down to all it starts.
            ["env", "--default-signal=INT", *command],
            cwd=ROOT,
            env=machine.env,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while "admin-password" not in output.read_text():  # it says where that is, last
            assert process.poll() is None and time.monotonic() < deadline, output.read_text()
            time.sleep(0.1)
        assert machine.call("GET", "/health/ready").status == 200
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
        assert process.wait(60) == code, output.read_text()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "Stowbay has stopped" in output.read_text()
    assert machine.url in output.read_text()
    assert "Traceback" not in output.read_text()
    output.unlink()
    _assert_nothing_is_left(machine)


def test_settings_of_a_limit_reach_the_server_processes(machine: Instance) -> None:
    machine.down()
    changed = Instance(
        machine.store, machine.var, machine.port_base, {"STOWBAY_LIMITS": '{"ticket_seconds": 7}'}
    )
    changed.up()
    try:
        assert changed.settings["limits"]["ticket_seconds"] == 7
        assert _sign_in(changed) == 201
    finally:
        changed.down()
