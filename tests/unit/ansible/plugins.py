"""Ansible's filter plugins as modules: Ansible loads them by path, so do these tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"


def filter_plugin(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ANSIBLE / f"plugins/filter/{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
