"""Which figures there are: ours by their tables, the exporters' as the real ones were measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from appliance.telemetry.metrics import TABLE
from tests.cluster.alert_pages import RULES

ROOT = Path(__file__).resolve().parents[3]
EXPORTERS = ROOT / "monitoring" / "exporters"
HOST_FIGURES = ROOT / "ansible" / "roles" / "exporters" / "files" / "host_figures.py"
_OF_PROMETHEUS = {"up", "ALERTS"}


def known_metrics() -> set[str]:
    return {*_OF_PROMETHEUS, *_ours(), *_of_hosts(), *_of_exporters(), *_recorded()}


def _ours() -> Iterator[str]:
    for metric in TABLE:
        if metric.kind == "histogram":
            yield from (f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
        else:
            yield metric.name


def _of_hosts() -> Iterator[str]:
    yield from re.findall(r"^    (stowbay_\w+)", HOST_FIGURES.read_text("utf-8"), re.MULTILINE)


def _of_exporters() -> Iterator[str]:
    for path in EXPORTERS.glob("*.txt"):
        yield from path.read_text("utf-8").split()


def _recorded() -> Iterator[str]:
    for path in RULES.glob("*.yml"):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from (rule["record"] for rule in group["rules"] if "record" in rule)
