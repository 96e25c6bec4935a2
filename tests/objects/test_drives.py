"""A MinIO of four drives loses one: its own figures, under the cluster's own rules, say so."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from appliance.objects.drives import Drives, drives_away
from tests.objects.store_processes import Place, new_place, started

RULES = Path(__file__).resolve().parents[2] / "monitoring" / "rules"
DRIVES = ("d1", "d2", "d3", "d4")
FIGURES = "/minio/v2/metrics/cluster"  # what Prometheus asks for, by the role haproxy
SECONDS = 120  # MinIO looks at its drives every 15 s, at its figures every 10 s, or every minute


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place("minio", tmp_path, DRIVES)


def test_a_drive_that_is_lost_is_missed_until_it_is_whole_again(
    place: Place, tmp_path: Path
) -> None:
    drive = place.drives[-1]
    with started(place):
        await_alert(place, tmp_path, away=0)
        shutil.rmtree(drive)
        drive.write_text("what is here now is no drive")
        await_alert(place, tmp_path, away=1)
        drive.unlink()
        drive.mkdir()
        await_alert(place, tmp_path, away=0)


def await_alert(place: Place, folder: Path, away: int) -> None:
    """Until StoreDriveOffline, the record behind it and the doctor say that so many are away."""
    end = time.monotonic() + SECONDS
    while True:
        with urlopen(place.settings.endpoint + FIGURES, timeout=20) as answer:
            page = answer.read()
        said = judged(page, folder / "figures.yml", away)
        if drives_away(page) == Drives(away, len(DRIVES)) and not said:
            return
        assert time.monotonic() < end, said or drives_away(page)
        time.sleep(1)


def judged(page: bytes, path: Path, away: int) -> str:
    """What promtool has against it; nothing when the rules say of these figures, had they held
    for five minutes, that so many are away.
    """
    figures = re.findall(r"^(minio_cluster_\w+){(.*)} (\S+)$", page.decode(), re.MULTILINE)
    case: dict[str, Any] = {
        "interval": "15s",
        "input_series": [
            {"series": f'{name}{{instance="c1",{labels}}}', "values": f"{value}+0x40"}
            for name, labels, value in figures
            if name.startswith(("minio_cluster_drive_", "minio_cluster_health_"))
        ],
        "promql_expr_test": [
            {
                "expr": 'label_replace(sum(store:drives_away:max), "what", "away", "", "")'
                ' or count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "5m",
                "exp_samples": [
                    {"labels": '{what="away"}', "value": away},
                    *([{"labels": '{alertname="StoreDriveOffline"}', "value": 1}] * bool(away)),
                ],
            }
        ],
    }
    plan = {"rule_files": [str(RULES / name) for name in ("figures.yml", "store.yml")]}
    path.write_text(yaml.safe_dump({**plan, "evaluation_interval": "15s", "tests": [case]}))
    done = subprocess.run(
        ["promtool", "test", "rules", path], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr if done.returncode else ""
