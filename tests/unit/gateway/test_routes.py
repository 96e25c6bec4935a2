"""The table says what the application does and what the documents say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from appliance.domain.errors import ALL
from appliance.gateway import reference
from appliance.gateway.openapi import codes_of, document
from appliance.gateway.problems import status_of
from appliance.gateway.route import PREFIX, Route
from appliance.gateway.routes import ROUTES
from appliance.telemetry import metrics

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference"
DESCRIBED = json.loads(msgspec.json.encode(document(ROUTES, "https://localhost:8443")))


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_no_route_is_there_twice() -> None:
    assert len({_name(route) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_a_route_is_described_whole(route: Route) -> None:
    operation = DESCRIBED["paths"][PREFIX + route.path][route.method.lower()]
    assert set(route.errors) <= set(ALL)
    assert str(route.status) in operation["responses"]
    assert {str(status_of(code)) for code in codes_of(route)} <= set(operation["responses"])
    assert bool(operation["security"]) == route.auth
    assert ("requestBody" in operation) == (route.request is not None)
    named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert named == set(re.findall(r"{(\w+)}", route.path))
    assert (route.answer is None) == (route.status in (202, 204))


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "POST" and r.writes], ids=_name)
def test_a_post_that_writes_can_be_repeated(route: Route) -> None:
    operation = DESCRIBED["paths"][PREFIX + route.path]["post"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    assert str(status_of("idempotency-mismatch")) in operation["responses"]


def test_operations_have_names_of_their_own() -> None:
    names = [o["operationId"] for path in DESCRIBED["paths"].values() for o in path.values()]
    assert len(set(names)) == len(names) == len(ROUTES)


def test_every_reference_leads_somewhere() -> None:
    for reference_ in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DESCRIBED)):
        place = DESCRIBED
        for part in reference_.split("/"):
            place = place[part]


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_page_is_what_the_tables_say(name: str) -> None:
    page = reference.PAGES[name]()
    assert (DOCS / name).read_text("utf-8") == page, (
        "run: python -m appliance.gateway.reference --write docs/reference"
    )


def test_no_code_and_no_metric_is_missing_from_its_page() -> None:
    errors, figures = reference.errors(), reference.metrics()
    assert all(f"`{code}`" in errors for code in ALL)
    assert all(f"`{metric.name}`" in figures for metric in metrics.TABLE)


def test_metrics_follow_the_rules_of_names() -> None:
    for metric in metrics.TABLE:
        assert metric.name.startswith("stowbay_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert bool(metric.buckets) == (metric.kind == "histogram")


@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_a_process_has_its_figures(process: str) -> None:
    meters = metrics.Meters(process)
    for metric in metrics.TABLE:
        if metric.process == process and not metric.followed:
            made = {"counter": meters.counter, "gauge": meters.gauge}.get(
                metric.kind, meters.histogram
            )(metric)
            assert made._name in metric.name
