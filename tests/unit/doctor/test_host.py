"""Certificates and the place for backups, on a folder that stands for a host's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli.admin import admin
from appliance.doctor import host
from appliance.doctor.report import Check, Unexaminable
from appliance.machine.pki import keep_certificates
from appliance.support.collect import collect
from tests.unit.support.test_collect import unpacked

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_one_machine_keeps_its_certificates_beside_the_authority(tmp_path: Path) -> None:
    kept = keep_certificates(tmp_path / "pki", NOW)
    config = tmp_path / "stowbay.json"
    with pytest.raises(Unexaminable):
        host.look_at_certificates(host.places(config, "").certificates)
    leaves = host.look_at_certificates(host.places(config, str(kept.authority)).certificates)
    assert [leaf.name for leaf in leaves] == ["ca", "server", "store"]
    assert [line.code for line in host.judge_certificates(leaves, NOW)] == ["certificates.ok"]


def test_hosts_say_in_a_file_where_things_are(tmp_path: Path) -> None:
    kept = keep_certificates(tmp_path / "made", NOW)
    leaf = tmp_path / "pki" / "edge" / "cert.pem"
    leaf.parent.mkdir(parents=True)
    leaf.write_bytes(kept.server.read_bytes())
    (tmp_path / "pki" / "ca.pem").write_text("not a certificate")
    told = {
        "output": "x", "certificates": str(tmp_path / "pki"), "backup_own_volume": False,
        "backup_place": str(tmp_path / "backup"), "volumes": [], "floating_address": "",
    }  # fmt: skip
    (tmp_path / "figures.json").write_text(json.dumps(told))
    places = host.places(tmp_path / "stowbay.json", "")
    found = {
        leaf.name: leaf.ends is not None for leaf in host.look_at_certificates(places.certificates)
    }
    assert found == {"ca": False, "edge": True}
    assert host.look_at_backup(places).broken
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / ".stowbay-backup-place").touch()
    assert host.look_at_backup(places) == host.BackupFacts(places.backup_place)
    (tmp_path / "backup" / "base").write_text("x")
    newest = host.look_at_backup(places).newest
    assert newest is not None
    assert abs((newest - datetime.now(UTC)).total_seconds()) < 60


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{")
    with pytest.raises(Unexaminable, match=r"figures\.json"):
        host.places(tmp_path / "stowbay.json", "")


def test_what_ext4_makes_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / ".stowbay-backup-place").touch()
    (tmp_path / "lost+found").mkdir()
    found = host.Places(backup_place=str(tmp_path))
    assert host.look_at_backup(found).newest is None
    os.utime(tmp_path / "lost+found", (2e9, 2e9))
    (tmp_path / "base").write_text("x")
    os.utime(tmp_path / "base", (1.7e9, 1.7e9))
    assert host.look_at_backup(found).newest == datetime.fromtimestamp(1.7e9, UTC)


def test_a_backup_may_run_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".stowbay-backup-place", "base", "base.part"):
        (tmp_path / name).touch()
    os.utime(tmp_path / "base", (1.7e9, 1.7e9))
    walk = os.walk

    def ends_meanwhile(place: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for found in walk(place):
            (tmp_path / "base.part").unlink(missing_ok=True)
            yield found

    monkeypatch.setattr(os, "walk", ends_meanwhile)
    seen = host.look_at_backup(host.Places(backup_place=str(tmp_path)))
    assert (seen.broken, seen.newest) == ("", datetime.fromtimestamp(1.7e9, UTC))


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The settings that a host with neither a gateway nor a worker lacks, in its /etc/stowbay."""
    kept = keep_certificates(tmp_path / "made", datetime.now(UTC))
    leaf = tmp_path / "pki" / "etcd" / "cert.pem"
    leaf.parent.mkdir(parents=True)
    leaf.write_bytes(kept.server.read_bytes())
    (tmp_path / "backup").mkdir()
    told = {"certificates": str(tmp_path / "pki"), "backup_place": str(tmp_path / "backup")}
    (tmp_path / "figures.json").write_text(json.dumps(told))
    return tmp_path / "stowbay.json"


def test_a_host_without_settings_tells_what_it_can(alone: Path) -> None:
    def asked(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(admin, ["doctor", *more], env={"STOWBAY_CONFIG": str(alone)})
        return done.exit_code, done.output

    code, output = asked("--json")
    report = json.loads(output)
    lines = {line["code"]: line["subject"] for line in report["lines"]}
    assert (code, report["whence"], report["worst"]) == (4, "host", "FAIL")
    assert lines["certificates.ok"] == "etcd"
    assert lines["backup.missing"] == str(alone.parent / "backup")
    unseen = {each["check"]: each["why"] for each in report["unexamined"]} | lines
    assert "gateway's host" in unseen["store"]
    assert {*Check} <= {each.partition(".")[0] for each in unseen}
    (alone.parent / "backup" / ".stowbay-backup-place").touch()
    code, output = asked()
    assert code in (0, 3), "3: this machine's time service"
    assert "no settings here: run it on a gateway's host, or with --url" in output


def test_a_wrong_path_of_the_settings_is_no_such_host(tmp_path: Path) -> None:
    config = tmp_path / "stowbay.json"
    assert not host.is_alone(config)
    (tmp_path / "figures.json").write_text("{}")
    assert host.is_alone(config)
    config.write_text("{")
    assert not host.is_alone(config), "settings that are damaged are told"


def test_such_a_hosts_bundle_holds_the_doctors_answer(alone: Path) -> None:
    output = alone.with_name("bundle.tar.gz")
    collect(alone, output, datetime.now(UTC), doctor=True)
    report = json.loads(unpacked(output)["doctor.json"])
    assert "certificates.ok" in {line["code"] for line in report["lines"]}
