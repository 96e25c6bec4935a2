"""The dashboard: a structure that Grafana reads, PromQL that Prometheus reads, existing figures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.promql import used_metrics

from .known import ROOT, known_metrics

MONITORING = ROOT / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboards" / "overview.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(each["expr"] for each in DASHBOARD["annotations"]["list"]),
]


def test_every_panel_has_a_place_a_unit_and_a_source() -> None:
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"]) == ("stowbay-overview", 39)
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["source"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${source}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == [chr(ord("A") + i) for i in range(len(letters))]


def test_no_two_panels_lie_over_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                assert other == panel["title"], f"{panel['title']} lies over {other}"


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(EXPRESSIONS)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_every_figure_on_it_exists() -> None:
    known = known_metrics()
    for expression in EXPRESSIONS:
        used = used_metrics(expression)
        assert used <= known, f"{used - known} in {expression}"


def test_it_shows_what_it_should() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "Now", "What users notice", "Uploads and the workers", "Store", "Postgres",
        "Cache and edge", "Hosts",
    ]  # fmt: skip


def test_grafana_finds_the_source_and_the_dashboard() -> None:
    provisioning = MONITORING / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "stowbay.yml").read_text())
    (prometheus,) = source["datasources"]
    assert (prometheus["type"], prometheus["basicAuth"]) == ("prometheus", True)
    for secret in prometheus["secureJsonData"].values():
        assert secret.startswith("$"), "secrets come from the environment"
    provider = yaml.safe_load((provisioning / "dashboards" / "stowbay.yml").read_text())
    (files,) = provider["providers"]
    assert (files["type"], files["allowUiUpdates"]) == ("file", False)
