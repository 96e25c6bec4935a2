"""The program that looks at a host, run as the timer runs it, on what is made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .known import HOST_FIGURES

MARK = ".stowbay-backup-place"


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki = folder / "pki"
        self.place = folder / "backup"
        self.pki.mkdir()
        self.wanted: dict[str, Any] = {
            "output": str(folder / "stowbay.prom"),
            "certificates": str(self.pki),
            "volumes": [],
            "floating_address": "",
            "backup_place": "",
            "backup_own_volume": False,
        }

    def figures(self, **wanted: Any) -> dict[tuple[str, ...], float]:
        """(name, *label values) -> figure."""
        settings = self.folder / "figures.json"
        settings.write_text(json.dumps({**self.wanted, **wanted}))
        subprocess.run([sys.executable, HOST_FIGURES, settings], check=True, timeout=30)
        assert not (self.folder / "stowbay.new").exists()
        families = text_string_to_metric_families(Path(self.wanted["output"]).read_text())
        return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}

    def certificate(self, path: Path, days: int) -> None:
        path.parent.mkdir(exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=test", "-days", str(days), "-out", path,
             "-keyout", self.folder / "key.pem"],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_when_certificates_end(host: Host) -> None:
    host.certificate(host.pki / "ca.pem", 3650)
    host.certificate(host.pki / "redis" / "cert.pem", 40)
    (host.pki / "broken").mkdir()
    (host.pki / "broken" / "cert.pem").write_text("no certificate")
    found = host.figures()
    assert {leaf for _, leaf in found} == {"ca", "redis"}
    days = {leaf: (end - time.time()) / 86400 for (_, leaf), end in found.items()}
    assert 39.9 < days["redis"] <= 40.01
    assert 3649.9 < days["ca"] <= 3650.01


def test_room_on_volumes(host: Host) -> None:
    there = {"purpose": "store", "path": str(host.folder)}
    gone = {"purpose": "store", "path": str(host.folder / "gone")}
    found = host.figures(volumes=[there, gone])
    disk = os.statvfs(host.folder)
    name = ("store", str(host.folder))
    assert found["stowbay_volume_size_bytes", *name] == disk.f_blocks * disk.f_frsize
    assert 0 < found["stowbay_volume_free_bytes", *name] <= disk.f_blocks * disk.f_frsize
    assert len(found) == 2, "what isn't there has no figure"


@pytest.mark.parametrize(("address", "held"), [("127.0.0.1", 1.0), ("192.0.2.77", 0.0)])
def test_who_holds_the_floating_address(host: Host, address: str, held: float) -> None:
    assert host.figures(floating_address=address) == {("stowbay_floating_address_holder",): held}


def test_the_place_for_backups_must_bear_its_mark(host: Host) -> None:
    name = ("stowbay_backup_place_present", str(host.place))
    wanted = {"backup_place": str(host.place)}
    assert host.figures(**wanted) == {name: 0.0}, "not there"
    host.place.mkdir()
    assert host.figures(**wanted) == {name: 0.0}, "the empty folder below an unmounted volume"
    (host.place / MARK).write_text("trio\n")
    assert host.figures(**wanted) == {name: 1.0}
    assert host.figures(**wanted, backup_own_volume=True) == {name: 0.0}, "no volume of its own"
