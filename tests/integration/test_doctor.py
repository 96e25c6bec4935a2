"""The fault game: each fault is named by the lines that are right for it, and by no others.

Every test leaves the instance well, which the next one relies on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from . import protocol as p
from .faults import (
    PUBLIC,
    Faults,
    certificate,
    doctor,
    each_ready,
    edited,
    frozen,
    listens,
    objects,
    owned,
    stopped,
    until,
)
from .instance import BIN, ROOT, Instance, free_ports


@contextlib.contextmanager
def running(store: str, var: Path) -> Iterator[Instance]:
    found = Instance(store, var, free_ports(), {"STOWBAY_SIGNINS": "300"})
    try:
        found.up()
        yield found
    finally:
        found.down()
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running("seaweedfs", tmp_path_factory.mktemp("var-doctor")) as found:
        yield found


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running("minio", tmp_path_factory.mktemp("var-doctor-minio")) as found:
        yield found


@pytest.mark.parametrize("store", ["seaweedfs", "minio"])
def test_a_healthy_system_has_no_warning_and_nothing_is_left(
    store: str, request: pytest.FixtureRequest
) -> None:
    machine = request.getfixturevalue("machine" if store == "seaweedfs" else "minio")
    before = owned(machine), objects(machine)
    answer = doctor(machine)
    assert answer.faults == set()
    assert answer.code == 0
    assert (owned(machine), objects(machine)) == before
    assert {
        "names.ok", "tls.ok", "https.ok", "api.ok", "cors.ok", "clock.ok", "transfer.ok",
        "refusals.ok", "database.ok", "replication.single", "store.ok", "cache.ok", "gateways.ok",
        "worker.ok", "queues.ok", "orphans.ok", "certificates.ok", "versions.ok",
    } <= answer.codes  # fmt: skip
    # Not on one machine, or not on every one.
    assert set(answer.unexamined) <= {"backup", "time-service"}
    assert "backup" in answer.unexamined


STOPPED: dict[tuple[str, ...], Faults] = {
    ("nginx",): {("tls.unreachable", each) for each in PUBLIC},
    ("gateway-0",): {("gateways.down", "gateway 0")},
    ("gateway-0", "gateway-1"): {
        ("gateways.down", "gateway 0"), ("gateways.down", "gateway 1"), ("api.no-gateway", "api"),
    },
    ("worker",): {("worker.down", "worker")},
    ("redis",): {("cache.unreachable", "redis")},
    ("postgres",): {("database.unreachable", "stowbay-seaweedfs"), ("api.not-ready", "api")},
    ("store",): {("store.unreachable", "seaweedfs"), ("api.not-ready", "api")},
}  # fmt: skip


@pytest.mark.parametrize("parts", STOPPED, ids="+".join)
def test_a_stopped_part(machine: Instance, parts: tuple[str, ...]) -> None:
    with stopped(machine, *parts):
        if parts[0] in ("postgres", "store"):
            until(lambda: not any(each_ready(machine)))
        answer = doctor(machine)
    assert answer.faults == STOPPED[parts]
    assert answer.code == (3 if parts == ("redis",) else 4)


def test_a_store_that_does_not_answer(machine: Instance) -> None:
    with frozen(machine, "store"):
        until(lambda: not any(each_ready(machine)))
        answer = doctor(machine)
    assert answer.faults == {("store.unreachable", "seaweedfs"), ("api.not-ready", "api")}
    assert "transfer" in answer.unexamined


@pytest.mark.parametrize(
    ("name", "days", "served", "on_disk", "exit_code"),
    [
        ("localhost", -1, "tls.expired", "certificates.expires-now", 4),
        ("localhost", 10, "tls.expires-soon", "certificates.expires-soon", 3),
        ("files.localhost", 100, "tls.other-name", "", 4),
    ],
    ids=["expired", "soon", "other name"],
)
def test_a_wrong_certificate(
    machine: Instance, name: str, days: float, served: str, on_disk: str, exit_code: int
) -> None:
    with certificate(machine, name, days):
        answer = doctor(machine)
    expected = {(served, each) for each in PUBLIC} | ({(on_disk, "server")} if on_disk else set())
    assert (answer.faults, answer.code) == (expected, exit_code)
    assert ("cors" in answer.unexamined) == (exit_code == 4)


def test_cors_that_allows_somebody_else(machine: Instance) -> None:
    with edited(machine, r'(Access-Control-Allow-Origin) "[^"]*"', r'\1 "https://elsewhere"'):
        answer = doctor(machine)
    assert answer.faults == {("cors.upload", "upload"), ("cors.download", "download")}


WHITELIST = r"(Neither may ever be added here\.\s+proxy_pass_request_headers) off;"


@pytest.mark.parametrize("store", ["seaweedfs", "minio"])
def test_the_whitelist_of_headers_is_gone(store: str, request: pytest.FixtureRequest) -> None:
    machine = request.getfixturevalue("machine" if store == "seaweedfs" else "minio")
    before = owned(machine), objects(machine)
    with edited(machine, WHITELIST, r"\1 on;"):
        answer = doctor(machine)
    assert answer.faults == {("refusals.headers", "upload")}
    assert "transfer.ok" in answer.codes
    assert (owned(machine), objects(machine)) == before


def test_tickets_that_nobody_looks_at(machine: Instance) -> None:
    with edited(machine, r"if \(\$ticket_verdict != ok\)", "if ($ticket_verdict = never)"):
        answer = doctor(machine)
    assert {code for code, _ in answer.faults} == {"refusals.open"}
    assert "transfer.ok" in answer.codes


@pytest.mark.parametrize(
    ("pattern", "new", "code"),
    [
        (r'(if \(\$http_content_length = ""\))', r"if ($request_method = PUT) { return 503; } \1",
         "transfer.put"),
        (r"if \(\$ticket_verdict != ok\)", "if ($ticket_verdict != never)", "transfer.get"),
        (r"(if \(\$ticket_verdict != ok\))", r'if ($ticket_verdict = ok) { return 200 "x"; } \1',
         "transfer.bytes"),
    ],
    ids=["put", "get", "bytes"],
)  # fmt: skip
def test_a_file_that_does_not_go_or_come(
    machine: Instance, pattern: str, new: str, code: str
) -> None:
    before = owned(machine)
    with edited(machine, pattern, new):
        answer = doctor(machine)
    assert answer.faults == {(code, "public names")}
    assert "headers on a signed URL" in answer.unexamined["refusals"]
    assert owned(machine) == before


def test_a_name_that_leads_nowhere(machine: Instance, tmp_path: Path) -> None:
    config = tmp_path / "stowbay.json"
    moved = machine.settings["download_url"].replace("localhost", "files.invalid")
    config.write_text(json.dumps(machine.settings | {"download_url": moved}))
    answer = doctor(machine, STOWBAY_CONFIG=str(config))
    assert answer.faults == {("names.unresolved", "download")}
    assert {"cors", "transfer"} <= answer.unexamined.keys()


def test_this_machines_clock_is_wrong(machine: Instance) -> None:
    answer = doctor(machine, before=("faketime", "-f", "+10m"))
    assert answer.faults == {("clock.far-off", "this machine")}


@contextlib.contextmanager
def another_gateway(machine: Instance, folder: Path, *command: str) -> Iterator[str]:
    """Started so, at ports of its own; the settings that name it and no other."""
    port, figures = machine.port_base + 35, machine.port_base + 36
    config = folder / "stowbay.json"
    told = machine.settings | {"gateway_ports": [port], "metrics_port": figures}
    config.write_text(json.dumps(told))
    process = subprocess.Popen(
        command, cwd=folder, env=machine.env | {"STOWBAY_CONFIG": str(config)},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: process.poll() is None and listens(figures))
        yield str(config)
    finally:
        # faketime waits for the gateway it started, and would leave it behind if ended itself.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for each in children or [str(process.pid)]:
            os.kill(int(each), signal.SIGTERM)
        process.wait(30)
    assert not listens(figures)


def test_a_gateways_clock_is_wrong(machine: Instance, tmp_path: Path) -> None:
    command = ("faketime", "-f", "-20s", sys.executable, "-P", "-m", "appliance.gateway")
    with another_gateway(machine, tmp_path, *command) as config:
        answer = doctor(machine, STOWBAY_CONFIG=config)
    assert answer.faults == {("clock.off", "gateway 0")}


OLDER = """
import appliance, runpy
appliance.__version__ = "0.0.9"
runpy.run_module("appliance.gateway", run_name="__main__", alter_sys=True)
"""


def test_a_gateway_of_another_release(machine: Instance, tmp_path: Path) -> None:
    with another_gateway(machine, tmp_path, sys.executable, "-P", "-c", OLDER) as config:
        answer = doctor(machine, STOWBAY_CONFIG=config)
    assert answer.faults == {("versions.differ", "all")}


def test_redis_that_persists_and_has_no_bound(machine: Instance) -> None:
    redis = Redis.from_url(machine.settings["redis_url"], protocol=2)
    redis.config_set("save", "60 1")
    redis.config_set("maxmemory", "0")
    try:
        answer = doctor(machine)
    finally:
        redis.config_set("save", "")
        redis.config_set("maxmemory", "256mb")
    assert answer.faults == {("cache.persists", "redis"), ("cache.unbounded", "redis")}


def test_rows_that_tell_of_trouble(machine: Instance) -> None:
    """A schema of another release, orphans, a space that no comparison reaches."""
    name = machine.settings["databases"][0]["name"]
    with psycopg.connect(machine.settings["databases"][0]["write_dsn"], autocommit=True) as conn:
        conn.execute("insert into migrations values ('9999_later.sql', 'x')")
        conn.execute("update spaces set created_at = created_at - interval '9 days'")
        conn.execute("""
            insert into audits
            select space_id, 'reconcile', now() - interval '3 days', '{"lost": 2}' from spaces
            on conflict (space_id, job) do update
            set finished_at = excluded.finished_at, found = excluded.found""")
        try:
            answer = doctor(machine)
        finally:
            conn.execute("delete from migrations where name = '9999_later.sql'")
            conn.execute("update audits set finished_at = now(), found = '{}'")
    assert answer.faults == {
        ("versions.schema-ahead", name), ("orphans.found", "lost"),
        ("queues.comparisons", "comparisons"),
    }  # fmt: skip


def test_from_outside(machine: Instance, tmp_path: Path) -> None:
    # What only a host knows is out of reach.
    env = {"STOWBAY_CONFIG": "/nonexistent", "STOWBAY_CA": ""}
    trusted = ("--url", machine.url, "--ca", str(machine.ca))
    before = owned(machine)
    account = ("--user", machine.admin, "--password-file")
    answer = doctor(machine, *trusted, *account, str(machine.password_file), **env)
    assert (answer.code, answer.faults, answer.report["whence"]) == (0, set(), "outside")
    assert {"tls.ok", "cors.ok", "transfer.ok", "refusals.ok", "clock.ok"} <= answer.codes
    assert {"database", "store", "backup"} <= set(answer.unexamined)
    user = machine.sign_in(machine.admin, machine.password_file.read_text().strip(), tmp_path)
    assert user.call("GET", f"/api/v1/spaces/{user.space}/trash").json["items"] == []
    assert user.call("GET", f"/api/v1/nodes/{p.root(user)}/children").json["items"] == []
    devices = user.call("GET", "/api/v1/account/devices").json["items"]
    assert [device["device"] for device in devices] == ["unnamed"]
    assert owned(machine)["users"] == before["users"]

    nobody = doctor(machine, *trusted, **env)
    assert nobody.code == 0
    assert "no account" in nobody.unexamined["transfer"]
    stranger = doctor(machine, "--url", machine.url, **env)
    assert stranger.faults == {("tls.untrusted", "api")}
    secret = tmp_path / "password"
    secret.write_text("not the password")
    wrong = doctor(machine, *trusted, *account, str(secret), **env)
    assert wrong.faults == {("transfer.sign-in", "public names")}


def test_two_doctors_at_once(machine: Instance) -> None:
    with (machine.var / "config" / "stowbay.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = doctor(machine)
    assert (answer.code, answer.faults) == (0, set())
    assert "another doctor" in answer.unexamined["transfer"]


def test_what_a_killed_doctor_left_goes_with_the_next(machine: Instance) -> None:
    until(lambda: not owned(machine)["versions"])  # a worker removes what other tests put
    before = owned(machine)
    while owned(machine)["users"] == before["users"]:
        killed = subprocess.Popen(
            [str(BIN / "stowbay-admin"), "doctor"], cwd=ROOT, env=machine.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while owned(machine)["users"] == before["users"] and killed.poll() is None:
            time.sleep(0.01)
        killed.kill()
        killed.wait()
    done = subprocess.run(
        [str(BIN / "stowbay-admin"), "doctor"], cwd=ROOT, env=machine.env,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert owned(machine) == before
    # What people see.
    assert re.search(r"^OK    transfer\.ok ", done.stdout, re.MULTILINE)
    assert re.search(r"\d+ OK, 0 WARN, 0 FAIL, \d not looked at; ", done.stdout)
    secrets = [path.read_text().strip() for path in (machine.var / "secrets").glob("*")]
    assert not [each for each in secrets if len(each) > 8 and each in done.stdout]
