"""Prometheus's own tool reads the rules and runs their tests; each alert has all that it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.alert_pages import PAGE, RULES, alerts, page
from tests.cluster.promql import used_metrics

from .known import ROOT, known_metrics

ALERTS = {rule["alert"]: (path, rule) for path, rule in alerts()}
RUNBOOKS = ROOT / "docs" / "how-to" / "runbooks"
TESTS = RULES / "tests"
SECTIONS = ["## What it means", "## How to look", "## What to do"]


def promtool(*arguments: str | Path) -> str:
    program = shutil.which("promtool")
    assert program, "promtool is in Debian's package prometheus; `make test` installs it"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cases() -> dict[str, dict[str, Any]]:
    """Name -> a case of the rules' tests, and the file it stands in."""
    found: dict[str, dict[str, Any]] = {}
    for path in TESTS.glob("*.yml"):
        for case in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            assert case["name"] not in found, f"{case['name']} stands twice"
            found[case["name"]] = {**case, "file": path.name}
    return found


def test_prometheus_understands_the_rules() -> None:
    assert "FAILED" not in promtool("check", "rules", *sorted(RULES.glob("*.yml")))


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yml")), ids=lambda path: path.name)
def test_alerts_fire_and_stay_silent(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_a_case_that_expects_something_else_fails(tmp_path: Path) -> None:
    """The tool must be able to say no: each silent case, told to fire, and the other way round."""
    shutil.copytree(RULES, tmp_path / "rules")
    for path in (tmp_path / "rules" / "tests").glob("*.yml"):
        plan = yaml.safe_load(path.read_text("utf-8"))
        for case in plan["tests"]:
            (asked,) = case["promql_expr_test"]
            alert = case["name"].split(" ")[0]
            wrong = (
                [] if asked["exp_samples"] else [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
            )
            asked["exp_samples"] = wrong
        path.write_text(yaml.safe_dump(plan), "utf-8")
        done = subprocess.run(
            ["promtool", "test", "rules", path], capture_output=True, text=True, timeout=200
        )
        assert done.returncode != 0
        assert (done.stdout + done.stderr).count("exp:") == len(plan["tests"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_both_ways(name: str) -> None:
    path, _ = ALERTS[name]
    fires = cases()[f"{name} fires"]
    assert fires["file"] == path.name
    assert f'"{name}"' in str(fires["promql_expr_test"][0]["exp_samples"])
    if name != "Watchdog":  # it always fires: that is what it is for
        silent = cases()[f"{name} stays silent"]
        assert silent["promql_expr_test"][0]["exp_samples"] == []
        assert silent["input_series"], "without figures every alert is silent"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_how_bad_and_what_to_do(name: str) -> None:
    _, rule = ALERTS[name]
    assert rule["labels"] in ({"severity": s} for s in ("critical", "warning", "info"))
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/how-to/runbooks/{name}.md"
    runbook = (ROOT / rule["annotations"]["runbook_url"]).read_text("utf-8")
    assert runbook.startswith(f"# {name}\n")
    found = [line for line in runbook.splitlines() if line.startswith("## ")]
    assert found == SECTIONS
    if name != "Watchdog":
        assert "```" in runbook, "commands to look with"


def test_no_runbook_is_left_of_an_alert_that_went() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(ALERTS)


def test_every_figure_in_the_rules_exists() -> None:
    known = known_metrics()
    for path in RULES.glob("*.yml"):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                assert used_metrics(rule["expr"]) <= known, rule


def test_every_figure_in_the_tests_exists() -> None:
    known = known_metrics()
    for name, case in cases().items():
        for series in case["input_series"]:
            assert re.match(r"[\w:]+", series["series"])[0] in known, name


@pytest.mark.parametrize(
    ("expression", "used"),
    [
        ('sum by (shard) (rate(a_total{b="c"}[5m])) > 0.5', {"a_total"}),
        ("max by (a) (b) - on (c) group_right () (d:e:f and g == 1)", {"b", "d:e:f", "g"}),
        ('a or vector(0) and on () label_replace(b, "c", "d", "e", "f(g)")', {"a", "b"}),
        ("predict_linear(a[1d], 14 * 86400) < 1e9", {"a"}),
    ],
)
def test_names_of_figures_are_found(expression: str, used: set[str]) -> None:
    assert used_metrics(expression) == used


def test_the_page_of_alerts_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.cluster.alert_pages"
