"""A Postgres of the test run's own: real, on a free loopback port, gone when the run ends."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Cluster:
    port: int

    def dsn(self, database: str = "postgres") -> str:
        return f"host=127.0.0.1 port={self.port} user=stowbay dbname={database}"

    def create(self, database: str) -> str:
        """A new database's DSN."""
        with psycopg.connect(self.dsn(), autocommit=True) as conn:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        return self.dsn(database)


def _program(name: str) -> str:
    """Debian keeps the server's programs out of the path; the newest release wins."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4]))
    return str(found[-1]) if found else shutil.which(name) or name


def _as_postgres() -> list[str]:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*settings: str) -> Iterator[Cluster]:
    """`settings`: "name=value", over those that make tests fast and not durable."""
    place = Path(tempfile.mkdtemp(prefix="stowbay-test-postgres-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(place, owner.pw_uid, owner.pw_gid)
    data = place / "data"
    subprocess.run(
        [*_as_postgres(), _program("initdb"), "-D", str(data), "-A", "trust", "-U", "stowbay",
         "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
        check=True, capture_output=True,
    )  # fmt: skip
    cluster = Cluster(_free_port())
    fast = [
        f"port={cluster.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=",
        "fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB",
    ]  # fmt: skip
    options = [word for setting in (*fast, *settings) for word in ("-c", setting)]
    log = (place / "log").open("wb")
    process = subprocess.Popen(
        [*_as_postgres(), _program("postgres"), "-D", str(data), *options],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        _wait(cluster, process, place / "log")
        yield cluster
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        log.close()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def standby_of(primary: Cluster, name: str) -> Iterator[Cluster]:
    """A copy that follows the primary by streaming; killed at the end, as a host that is lost."""
    place = Path(tempfile.mkdtemp(prefix="stowbay-test-standby-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(place, owner.pw_uid, owner.pw_gid)
    data, cluster = place / "data", Cluster(_free_port())
    subprocess.run(
        [*_as_postgres(), _program("pg_basebackup"), "--no-sync", "--checkpoint=fast", "-R",
         "-D", str(data), "-d", f"{primary.dsn('replication')} application_name={name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    log = (place / "log").open("wb")
    process = subprocess.Popen(
        [*_as_postgres(), _program("postgres"), "-D", str(data), "-c", f"port={cluster.port}",
         "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
         "-c", "max_connections=200", "-c", "shared_buffers=64MB"],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        _wait(cluster, process, place / "log")
        yield cluster
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        log.close()
        shutil.rmtree(place, ignore_errors=True)


def _wait(cluster: Cluster, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            psycopg.connect(cluster.dsn(), connect_timeout=1).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Postgres did not start: {log.read_text()}")
