"""An instance broken in one way and mended again, and what the doctor says of it.

A part is stopped while its supervisor sleeps, so that it stays stopped; files of nginx are changed
where it reads them. Each fault ends by waiting until the instance is well.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from minio import Minio

from appliance.machine.state import read_state

from .instance import BIN, ROOT, Instance

Faults = set[tuple[str, str]]
PUBLIC = ("api", "upload", "download")


@dataclass(frozen=True)
class Answer:
    code: int
    report: dict[str, Any]

    @property
    def faults(self) -> Faults:
        """(code, first word or two of the subject) of every line that isn't OK."""
        return {
            (line["code"], re.sub(r" https://.*", "", line["subject"]))
            for line in self.report["lines"]
            if line["level"] != "OK"
        }

    @property
    def codes(self) -> set[str]:
        return {line["code"] for line in self.report["lines"]}

    @property
    def unexamined(self) -> dict[str, str]:
        return {each["check"]: each["why"] for each in self.report["unexamined"]}


def doctor(machine: Instance, *args: str, before: tuple[str, ...] = (), **env: str) -> Answer:
    done = subprocess.run(
        [*before, str(BIN / "stowbay-admin"), "doctor", "--json", *args],
        cwd=ROOT,
        env=machine.env | env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, 3, 4), done.stderr
    assert done.stderr == ""
    answer = Answer(done.returncode, json.loads(done.stdout))
    levels = [line["level"] for line in answer.report["lines"]]
    worst = "FAIL" if "FAIL" in levels else "WARN" if "WARN" in levels else "OK"
    assert (answer.report["worst"], done.returncode) == (
        worst,
        {"OK": 0, "WARN": 3, "FAIL": 4}[worst],
    )
    return answer


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ready(machine: Instance) -> bool:
    try:
        return machine.call("GET", "/health/ready", timeout=10).status == 200
    except OSError:
        return False


def each_ready(machine: Instance) -> list[bool]:
    """Of each gateway by itself: what one has told it tells again for some seconds."""
    answers = []
    for port in machine.settings["gateway_ports"]:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        ) as gateway:
            gateway.request("GET", "/health/ready")
            answers.append(gateway.getresponse().status == 200)
    return answers


def whole(machine: Instance) -> bool:
    """Every part listens again, and what is told of them is of now."""
    told = machine.settings
    figures = [told["metrics_port"] + index for index in range(len(told["gateway_ports"]))]
    redis = urlsplit(told["redis_url"]).port
    ports = [*figures, *told["gateway_ports"], told["worker_metrics_port"], redis]
    return all(map(listens, ports)) and all(each_ready(machine)) and ready(machine)


def listens(port: int | None) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def stopped(machine: Instance, *parts: str) -> Iterator[None]:
    """Killed, and not started again before this ends; then until all is well."""
    state = read_state(machine.var / "run")
    assert state is not None
    os.kill(state.supervisor.pid, signal.SIGSTOP)
    try:
        for part in parts:
            pids = [str(machine.pid(part)), *_children(machine, part)]  # nginx's go on without it
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)
        yield
    finally:
        os.kill(state.supervisor.pid, signal.SIGCONT)
        until(lambda: whole(machine))


@contextlib.contextmanager
def frozen(machine: Instance, part: str) -> Iterator[None]:
    machine.kill(part, signal.SIGSTOP)
    try:
        yield
    finally:
        machine.kill(part, signal.SIGCONT)
        until(lambda: whole(machine))


@contextlib.contextmanager
def replaced(machine: Instance, *texts: tuple[Path, str]) -> Iterator[None]:
    """Files as nginx is told to read them anew, and again when they are as before."""
    kept = [(path, path.read_text()) for path, _ in texts]
    try:
        _read_anew(machine, texts)
        yield
    finally:
        _read_anew(machine, kept)


def _read_anew(machine: Instance, texts: Any) -> None:
    for path, text in texts:
        path.write_text(text)
    before = _children(machine, "nginx")
    machine.kill("nginx", signal.SIGHUP)
    until(lambda: bool(now := _children(machine, "nginx")) and not now & before, 20)


def _children(machine: Instance, part: str) -> set[str]:
    pid = machine.pid(part)
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def edited(machine: Instance, pattern: str, new: str) -> Any:
    conf = machine.var / "config" / "nginx" / "nginx.conf"
    text, count = re.subn(pattern, new, conf.read_text())
    assert count >= 1
    return replaced(machine, (conf, text))


def certificate(machine: Instance, name: str, days: float) -> Any:
    """What nginx shows: of the instance's own authority, for `name`, ending in `days`."""
    pki = machine.var / "pki"
    authority = x509.load_pem_x509_certificate((pki / "ca.pem").read_bytes())
    signing = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    own = serialization.load_pem_private_key((pki / "server.key").read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(own.public_key())  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=40))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    return replaced(machine, (pki / "server.pem", text))


def owned(machine: Instance) -> dict[str, int]:
    """Rows of each table that accounts and files leave; what workers note for themselves is not."""
    with psycopg.connect(machine.settings["databases"][0]["write_dsn"]) as conn:
        tables = conn.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
        ).fetchall()
        return {
            name: conn.execute(f"select count(*) from {name}").fetchone()[0]  # type: ignore[index, arg-type, call-overload]
            for (name,) in tables
            if name not in ("audits", "heals", "leases", "migrations")
        }


def objects(machine: Instance) -> int:
    store = machine.settings["store"]
    credential = store["scrub"]
    client = Minio(
        store["endpoint"].removeprefix("http://"),
        access_key=credential["access_key"], secret_key=credential["secret_key"],
        region=store["region"], secure=False,
    )  # fmt: skip
    return sum(1 for _ in client.list_objects(store["bucket"], recursive=True))
