"""compose.yml, trial.py and README.md name the same settings, with the same defaults."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cluster.places import REPOSITORY

COMPOSE = REPOSITORY / "compose"
TEXT = (COMPOSE / "compose.yml").read_text("utf-8")
PAGE = (COMPOSE / "README.md").read_text("utf-8")


def test_every_setting_has_one_default_and_is_described() -> None:
    sys.path.insert(0, str(COMPOSE))
    try:
        import trial
    finally:
        sys.path.remove(str(COMPOSE))
    used: dict[str, set[str]] = {
        name: set() for name, _ in re.findall(r"\$\{(TRIAL_[A-Z_]+):-([^}]*)\}", TEXT)
    }
    for name, default in re.findall(r"\$\{(TRIAL_[A-Z_]+):-([^}]*)\}", TEXT):
        used[name].add(default)
    used.pop("TRIAL_OWNER")  # who started it
    assert used == {
        **{name: {default} for name, default in trial.DEFAULTS.items()},
        "TRIAL_STATE": {"../var/compose"},
    }
    described = dict(re.findall(r"^\| `(TRIAL_[A-Z_]+)` \| `?([^`|]*)`? \|", PAGE, re.M))
    assert {name: described[name] for name in trial.DEFAULTS} == trial.DEFAULTS


def test_no_service_is_left_out_of_the_rules() -> None:
    services = yaml.safe_load(TEXT)["services"]
    assert len(services) == 15
    for name, each in services.items():
        ends = each["restart"] == "no"
        assert each["read_only"], name
        assert each["cap_drop"] == ["ALL"], name
        assert each["user"] == ("0:0" if name == "setup" else "900:900"), name
        assert {"mem_limit", "pids_limit"} < each.keys(), name
        assert ends or {"healthcheck", "cpus"} < each.keys(), name
        assert all("127.0.0.1" in port for port in each.get("ports", [])), name


def test_no_image_is_fetched_but_debians() -> None:
    """Every other is built here, in stages of that one."""
    services = yaml.safe_load(TEXT)["services"].values()
    built = {each["image"] for each in services if "build" in each}
    assert {each["image"] for each in services} == built
    recipes = {file.name: file.read_text("utf-8") for file in (COMPOSE / "images").iterdir()}
    assert {each["build"]["dockerfile"] for each in services if "build" in each} == recipes.keys()
    for name, text in recipes.items():
        stages = {"debian:trixie-slim"}
        named = re.findall(r"(?mi)^(?:FROM\s+|COPY\s+--from=)(\S+)(?:.*\sAS\s+(\S+))?", text)
        assert named, name
        for source, stage in named:
            assert source in stages, name
            stages.add(stage)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRIAL_BIND", "localhost"), ("TRIAL_PUBLIC_NAME", "a b"), ("TRIAL_NETWORK", "10.0.0.0/8"),
     ("TRIAL_API_PORT", "8443;"), ("TRIAL_API_PORT", "65536"), ("TRIAL_API_PORT", "0"),
     ("TRIAL_PUBLIC_NAME", "192.0.2"), ("TRIAL_PUBLIC_NAME", "192.0.2.256"),
     ("TRIAL_BIND", "192.0.2.256"), ("TRIAL_NETWORK", "10.256.0")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named(name: str, value: str, tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "TRIAL_STATE": str(tmp_path), name: value}
    done = subprocess.run(
        [sys.executable, str(COMPOSE / "trial.py"), "status"],
        env=environ, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert name in done.stderr
    assert value in done.stderr
