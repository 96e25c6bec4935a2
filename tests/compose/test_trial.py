"""The trial from nothing to nothing, in the order of this file."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.compose.stack import ONCE, Stack, read_tree, until, write_tree

ACCOUNT = "900"
MEMBERS = {"postgres1", "postgres2", "postgres3"}
OTHER_NAME = "trial.example.test"
# From those who ask to those who are asked; the store while what it took last is seconds old.
STOPPED_IN_ORDER = ("edge", "worker", "gateway2", "gateway1", "store", "prometheus", "haproxy",
                    "redis", "postgres3", "postgres2", "postgres1", "etcd")  # fmt: skip
# Others end with 0. etcd and HAProxy end by the very signal, once all is in order; the store is
# killed: its filer waits for a stream to itself that nobody ends.
END_CODES = {"etcd": {0, 143}, "haproxy": {0, 143}, "store": {0, 137}}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(Path(os.environ["TRIAL_STATE"]), tmp_path_factory.mktemp("trial"))
    try:
        made.trial("up")
        made.sign_in()
        yield made
    except BaseException:
        for name, each in made.containers().items():
            words = ["docker", "logs", "--tail", "30", each["Id"]]
            said = subprocess.run(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            print(f"--- {name} ({each['State']['Status']})\n{said.stdout}", flush=True)
        raise
    finally:
        made.trial("remove", "--yes")
        assert made.containers() == {}
        assert "stowbay-trial" not in made.docker("volume", "ls", "--quiet")
        assert "stowbay-trial" not in made.docker("network", "ls", "--format", "{{.Name}}")


@pytest.fixture(scope="session")
def tree(stack: Stack) -> dict[str, bytes]:
    """A tree that was put, by its files' names."""
    return write_tree(stack.here / "tree")


@pytest.fixture(scope="session")
def kept() -> dict[str, bytes]:
    """What was acknowledged in /kept while a primary died; empty before that test."""
    return {}


def test_a_tree_comes_back_byte_for_byte(stack: Stack, tree: dict[str, bytes]) -> None:
    stack.put(stack.here / "tree", "/")
    stack.get("/tree", stack.here / "back")
    assert read_tree(stack.here / "back") == tree


def test_every_part_says_that_it_is_healthy(stack: Stack) -> None:
    until(90, lambda: unhealthy(stack))
    for name, each in stack.containers().items():
        if name in ONCE:
            assert each["State"]["ExitCode"] == 0, name
        else:
            assert each["RestartCount"] == 0, name


def unhealthy(stack: Stack) -> list[str]:
    parts = {name: each for name, each in stack.containers().items() if name not in ONCE}
    assert MEMBERS | {"etcd", "haproxy", "store", "redis", "edge"} < parts.keys()
    return [name for name, each in parts.items() if each["State"]["Health"]["Status"] != "healthy"]


def test_two_standbys_follow_and_a_majority_confirms(stack: Stack) -> None:
    roles = sorted(each["Role"] for each in stack.members().values())
    assert roles == ["Leader", "Quorum Standby", "Quorum Standby"]


def test_nobody_is_root(stack: Stack) -> None:
    for name, each in stack.containers().items():
        if name in ONCE:
            continue
        told = stack.docker("top", each["Id"], "-eo", "pid,uid,args").splitlines()[1:]
        assert told, name
        assert {line.split()[1] for line in told} == {ACCOUNT}, name


def test_no_part_has_more_rights_than_it_needs(stack: Stack) -> None:
    for name, each in stack.containers().items():
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["Privileged"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        added = host["CapAdd"] or []
        assert sorted(added) == (["CHOWN", "DAC_OVERRIDE", "FOWNER"] if name == "setup" else [])
        if name not in ONCE:
            status = stack.inside(name, "cat", "/proc/1/status")
            assert "CapEff:\t0000000000000000" in status, name
            assert "NoNewPrivs:\t1" in status, name
            with pytest.raises(AssertionError, match="Read-only"):
                stack.inside(name, "touch", "/usr/bin/something")


def test_only_edge_and_prometheus_are_published_and_on_loopback_alone(stack: Stack) -> None:
    published = {}
    for name, each in stack.containers().items():
        ports = each["HostConfig"]["PortBindings"] or {}
        published[name] = sorted(bind["HostPort"] for binds in ports.values() for bind in binds)
        assert {bind["HostIp"] for binds in ports.values() for bind in binds} <= {"127.0.0.1"}
    assert {name for name, ports in published.items() if ports} == {"edge", "prometheus"}
    assert published["edge"] == ["8443", "8444", "8445"]


def test_a_part_knows_its_own_secrets_alone(stack: Stack) -> None:
    """The edge, the only way in, can't sign a ticket, reach a database or change the store."""
    readable = stack.inside("edge", "sh", "-c", "cat $(find /etc/stowbay -type f)")
    known = stack.secrets()
    for name in ("postgres_app_password", "redis_password", "store_root_secret_key",
                 "store_control_secret_key", "store_signer_secret_key"):  # fmt: skip
        assert known[f"vault_{name}"] not in readable, name
    assert (
        json.loads(known["vault_ticket_keyring"])["keys"][0]["pem"].splitlines()[1] not in readable
    )
    store = stack.inside("store", "sh", "-c", "cat $(find /etc/stowbay -type f)")
    assert known["vault_store_root_secret_key"] not in store


def test_no_secret_is_in_an_image_or_in_what_docker_tells(stack: Stack) -> None:
    ring = stack.secrets()["vault_ticket_keyring"]
    words = {text for name, text in stack.secrets().items() if name != "vault_ticket_keyring"}
    words |= {json.loads(ring)["keys"][0]["pem"].splitlines()[1]}
    words = {each for each in words if len(each) >= 16}
    assert len(words) > 20
    patterns = stack.here / "patterns"
    patterns.write_text("".join(f"{each}\n" for each in sorted(words)))
    images = sorted({each["Image"] for each in stack.containers().values()})
    told = json.dumps(stack.containers()) + stack.docker("inspect", *images)
    told += "".join(stack.docker("history", "--no-trunc", each) for each in images)
    assert [each for each in words if each in told] == []
    save = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
    grep = ["env", "LC_ALL=C", "grep", "--text", "--fixed-strings", "--count", f"--file={patterns}"]
    found = subprocess.run(grep, stdin=save.stdout, stdout=subprocess.PIPE, text=True)
    assert save.wait() == 0
    assert found.stdout.strip() == "0"
    # The same search finds them where they are.
    here = [*grep, str(stack.state / "secrets" / "vault.json")]
    assert int(subprocess.run(here, stdout=subprocess.PIPE, text=True).stdout) > 20


def test_secrets_on_this_machine_are_their_owners_alone(stack: Stack) -> None:
    assert stack.state.stat().st_mode & 0o777 == 0o700
    public = {stack.state / "ca.pem", stack.state / "trial.env"}
    kept = [each for each in stack.state.rglob("*") if each.is_file() and each not in public]
    kept = [each for each in kept if not each.is_relative_to(stack.state / "context")]
    assert len(kept) > 30
    assert [each for each in kept if each.stat().st_mode & 0o077] == []


def test_prometheus_sees_every_part_and_only_the_watchdog_fires(stack: Stack) -> None:
    def wrong() -> list[str]:
        down = [each["labels"] for each in targets(stack) if each["health"] != "up"]
        firing = {
            each["metric"]["alertname"] for each in query(stack, "ALERTS{alertstate='firing'}")
        }
        return [*map(str, down), *(firing ^ {"Watchdog"})]

    until(120, wrong)
    jobs = {each["labels"]["job"] for each in targets(stack)}
    assert jobs == {"haproxy", "etcd", "patroni", "gateway", "worker", "prometheus"}
    assert "Nothing" in ask(stack, "/consoles/stowbay.html")


def targets(stack: Stack) -> list[dict[str, dict[str, str]]]:
    return json.loads(ask(stack, "/api/v1/targets"))["data"]["activeTargets"]  # type: ignore[no-any-return]


def query(stack: Stack, text: str) -> list[dict[str, dict[str, str]]]:
    told = ask(stack, f"/api/v1/query?query={urllib.parse.quote(text)}")
    return json.loads(told)["data"]["result"]  # type: ignore[no-any-return]


def ask(stack: Stack, path: str) -> str:
    password = (stack.state / "prometheus-password").read_text().strip()
    given = base64.b64encode(f"stowbay:{password}".encode()).decode()
    request = urllib.request.Request(
        f"https://localhost:9090{path}", headers={"Authorization": f"Basic {given}"}
    )
    context = ssl.create_default_context(cafile=str(stack.state / "ca.pem"))
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        return str(answer.read().decode())


def test_nothing_acknowledged_is_lost_with_the_primary(
    stack: Stack, kept: dict[str, bytes]
) -> None:
    acknowledged = kept
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(stack, acknowledged, stop))
    writer.start()
    try:
        until(60, lambda: "" if len(acknowledged) >= 5 else "no five files were put")
        primary = stack.primary()
        before = len(acknowledged)
        stack.docker("kill", "--signal=KILL", stack.containers()[primary]["Id"])
        until(120, lambda: "" if stack.primary() not in ("", primary) else "no other primary")
        since = len(acknowledged)
        until(120, lambda: "" if len(acknowledged) >= since + 5 else "no write after the failover")
    finally:
        stop.set()
        writer.join()
    assert len(acknowledged) > before
    stack.get("/kept", stack.here / "kept")
    came = read_tree(stack.here / "kept")
    assert {name: came.get(name) for name in acknowledged} == acknowledged
    stack.docker("start", stack.containers()[primary]["Id"])
    until(180, lambda: _not_whole(stack))
    until(90, lambda: unhealthy(stack))


def _write(stack: Stack, acknowledged: dict[str, bytes], stop: threading.Event) -> None:
    """One file after the other; only those whose put said so count."""
    stack.client("mkdir", "/kept")
    number = 0
    while not stop.is_set():
        number += 1
        name = f"{number:04}"
        (stack.here / name).write_bytes(text := os.urandom(2000))
        try:
            done = stack.client("put", stack.here / name, "/kept", timeout=90)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            acknowledged[name] = text


def _not_whole(stack: Stack) -> str:
    members = stack.members()
    roles = sorted(each["Role"] for each in members.values())
    states = {each["State"] for each in members.values()}
    lines = {each.get("TL") for each in members.values()}
    whole = roles == ["Leader", "Quorum Standby", "Quorum Standby"]
    return "" if whole and states <= {"running", "streaming"} and len(lines) == 1 else str(members)


def test_it_stops_by_itself_and_keeps_what_is_stored(
    stack: Stack, tree: dict[str, bytes], kept: dict[str, bytes]
) -> None:
    """Each within the grace that compose.yml gives it."""
    assert set(STOPPED_IN_ORDER) == stack.containers().keys() - ONCE
    last = write_tree(stack.here / "last")
    stack.put(stack.here / "last", "/")
    for each in STOPPED_IN_ORDER:
        stack.docker("stop", stack.containers()[each]["Id"])
        state = stack.containers()[each]["State"]
        assert not state["OOMKilled"], each
        assert state["ExitCode"] in END_CODES.get(each, {0}), (each, state["ExitCode"])
    known = stack.secrets()
    stack.trial("down")
    assert stack.containers() == {}
    stack.trial("up")
    assert stack.secrets() == known
    stack.get("/tree", stack.here / "again")
    assert read_tree(stack.here / "again") == tree
    stack.get("/last", stack.here / "last-again")
    assert read_tree(stack.here / "last-again") == last
    stack.get("/kept", stack.here / "kept-again")
    came = read_tree(stack.here / "kept-again")
    assert kept and {name: came.get(name) for name in kept} == kept
    stack.put(stack.here / "tree" / "note.txt", "/kept")


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = {name: each["State"]["StartedAt"] for name, each in stack.containers().items()}
    stack.trial("up")
    after = {name: each["State"]["StartedAt"] for name, each in stack.containers().items()}
    assert {name for name in before if before[name] != after[name]} <= ONCE


def test_a_certificate_that_was_made_anew_is_shown(stack: Stack, tree: dict[str, bytes]) -> None:
    """As one is that ends soon: the edge took the old one at its start."""
    before, file = shown(), stack.state / "etc" / "edge" / "pki" / "edge" / "cert.pem"
    assert before == x509.load_pem_x509_certificate(file.read_bytes())
    file.unlink()
    stack.trial("up")
    assert before != shown() == x509.load_pem_x509_certificate(file.read_bytes())
    stack.get("/tree/note.txt", stack.here / "renewed.txt")
    assert (stack.here / "renewed.txt").read_bytes() == tree["note.txt"]


def shown() -> x509.Certificate:
    """The edge's certificate, as any client gets it."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", 8443)).encode())


def test_a_trial_that_runs_takes_another_name(stack: Stack, tree: dict[str, bytes]) -> None:
    """It needs another authority, which every part must know before the next one starts."""
    before = (stack.state / "ca.pem").read_text()
    stack.trial("up", TRIAL_PUBLIC_NAME=OTHER_NAME)
    assert (stack.state / "ca.pem").read_text() != before
    stack.hosts.write_text(f"127.0.0.1 localhost {OTHER_NAME}\n")
    stack.sign_in(OTHER_NAME)
    stack.get("/tree", stack.here / "renamed")
    assert read_tree(stack.here / "renamed") == tree
    stack.put(stack.here / "renamed", "/")
    until(180, lambda: _not_whole(stack))
    until(90, lambda: unhealthy(stack))
