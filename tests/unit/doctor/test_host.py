"""Certificates and the place for backups, on a folder that stands for a host's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.doctor import host
from appliance.doctor.report import Unexaminable
from appliance.machine.pki import keep_certificates

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
