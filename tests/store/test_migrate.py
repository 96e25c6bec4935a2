"""`stowbay-admin migrate` on real databases: what is missing is applied, once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psycopg
import pytest

from appliance.settings import Credential, Database, ObjectStore, Settings

from .postgres import Cluster

COMMAND = Path(sys.executable).parent / "stowbay-admin"


def settings(*databases: Database) -> Settings:
    nobody = Credential("a", "b")
    return Settings(
        api_url="https://localhost",
        upload_url="https://localhost:8444",
        download_url="https://localhost:8445",
        gateway_ports=(7101,),
        metrics_port=7201,
        databases=databases,
        redis_url="",
        store=ObjectStore("minio", "http://127.0.0.1:1", "r", "b", nobody, nobody, nobody),
        ticket_keyring="/nonexistent",
    )


class Operator:
    def __init__(self, place: Path, *databases: Database) -> None:
        self.config = place / "stowbay.json"
        self.config.write_bytes(msgspec.json.encode(settings(*databases)))

    def migrate(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(COMMAND), "migrate", *more],
            env={**os.environ, "STOWBAY_CONFIG": str(self.config)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def dsns(cluster: Cluster, request: pytest.FixtureRequest) -> tuple[str, str]:
    name = request.node.name.replace("_", "")[:40]
    return cluster.create(f"{name}a"), cluster.create(f"{name}b")


def test_each_database_once(dsns: tuple[str, str], tmp_path: Path) -> None:
    halves = (
        Database("shard1", dsns[0], dsns[0], 0, 32767),
        Database("shard2", dsns[1], dsns[1], 32768, 65535),
    )
    operator = Operator(tmp_path, *halves)
    planned = operator.migrate("--dry-run")
    assert planned.returncode == 0
    assert "shard1: lacks 0001_initial.sql" in planned.stdout.splitlines()
    with psycopg.connect(dsns[0]) as conn:
        assert conn.execute("select to_regclass('nodes')").fetchone() == (None,)
    first = operator.migrate()
    assert first.returncode == 0, first.stderr
    applied = planned.stdout.replace("lacks", "applied").splitlines()
    assert first.stdout.splitlines() == applied
    assert {line.split(":")[0] for line in applied} == {"shard1", "shard2"}
    for again in (operator.migrate(), operator.migrate("--dry-run")):
        assert again.stdout.splitlines() == ["shard1: up to date", "shard2: up to date"]


def test_one_that_is_down_does_not_keep_the_other(dsns: tuple[str, str], tmp_path: Path) -> None:
    closed = "host=127.0.0.1 port=1 user=x dbname=y password=hidden connect_timeout=2"
    operator = Operator(
        tmp_path,
        Database("down", closed, closed, 0, 32767),
        Database("up", dsns[0], dsns[0], 32768, 65535),
    )
    done = operator.migrate()
    assert done.returncode == 1
    assert done.stderr.startswith("stowbay-admin: down: ")
    assert "hidden" not in done.stderr and "Traceback" not in done.stderr
    assert "up: applied 0001_initial.sql" in done.stdout


def test_a_file_that_changed_is_refused(dsns: tuple[str, str], tmp_path: Path) -> None:
    operator = Operator(tmp_path, Database("one", dsns[0], dsns[0]))
    assert operator.migrate().returncode == 0
    with psycopg.connect(dsns[0]) as conn:
        conn.execute("update migrations set sha256 = 'x' where name = '0001_initial.sql'")
    for done in (operator.migrate(), operator.migrate("--dry-run")):
        assert done.returncode == 1
        assert "0001_initial.sql was changed after it had been applied" in done.stderr
