"""stowbay-roll: which processes are older than their release or settings."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from types import ModuleType

import pytest

from tests.unit.ansible.plugins import ANSIBLE


@pytest.fixture(scope="module")
def roll() -> ModuleType:
    loader = SourceFileLoader("stowbay_roll", str(ANSIBLE / "roles/release/files/stowbay-roll"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def state(active: str = "active", began: str = "Sun 2026-11-22 19:13:35.250000 UTC") -> dict:
    return {"ActiveState": active, "ExecMainStartTimestamp": began}


def test_timestamps_are_read_to_the_microsecond(roll: ModuleType) -> None:
    assert roll.moment("Thu 1970-01-01 00:00:01.500000 UTC") == 1.5
    assert roll.moment("") == 0.0


@pytest.mark.parametrize("active", ["inactive", "failed", "activating", "deactivating"])
def test_what_does_not_run_is_restarted(roll: ModuleType, active: str) -> None:
    assert roll.why(state(active), {}) == f"it is {active}"


def test_only_what_is_older_than_its_files(roll: ModuleType) -> None:
    began = roll.moment(state()["ExecMainStartTimestamp"])
    files = {"/etc/stowbay/stowbay.json": began - 0.001, "/opt/stowbay/current": began - 5}
    assert roll.why(state(), files) == ""
    assert roll.why(state("reloading"), files) == ""
    files["/opt/stowbay/current"] = began + 0.001
    assert roll.why(state(), files) == "newer: /opt/stowbay/current"


def test_a_unit_s_files_are_its_own_and_the_settings(roll: ModuleType, tmp_path) -> None:
    link, unit = tmp_path / "current", tmp_path / "x.service"
    unit.touch()
    link.symlink_to(tmp_path / "elsewhere")
    found = roll.files({"FragmentPath": str(unit), "DropInPaths": f"{unit} /nowhere/x.conf"})
    assert set(found) == {str(unit)}
