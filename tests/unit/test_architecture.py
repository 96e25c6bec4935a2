"""The house rules that a machine can check: names, sizes, and the direction of imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "appliance"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)
ROOMS = {
    "cache", "cli", "client", "doctor", "domain", "edge", "gateway", "machine", "objects",
    "services", "store", "support", "telemetry", "wire", "workers",
}  # fmt: skip
SAYS_NOTHING = re.compile(r"^(utils?|helpers?|common|misc|base|manager)$")
MAX_LINES = 400
MAX_PUBLIC_METHODS = 12


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_the_rooms_are_those_of_the_design() -> None:
    found = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert found == ROOMS


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_module_has_a_telling_name_a_docstring_and_a_bounded_size(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not SAYS_NOTHING.match(path.stem), "the name says nothing of what is inside"
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) <= MAX_LINES, "wants to be two files"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_class_does_one_thing(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            public = [
                item.name
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                and not item.name.startswith("_")
                and not any(_is_property(decorator) for decorator in item.decorator_list)
            ]
            assert len(public) <= MAX_PUBLIC_METHODS, f"{node.name} has {len(public)} methods"


def _is_property(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "property"


@pytest.mark.parametrize("path", sorted((PACKAGE / "domain").glob("*.py")), ids=_name)
def test_the_domain_imports_the_standard_library_only(path: Path) -> None:
    import sys

    for module in _imports(path):
        top = module.split(".")[0]
        inside = module == "appliance.domain" or module.startswith("appliance.domain.")
        assert inside or top in sys.stdlib_module_names, module


def test_the_database_driver_and_the_store_sdk_stay_in_their_rooms() -> None:
    homes = {
        "psycopg": {"store", "machine"},
        "psycopg_pool": {"store"},
        "aiobotocore": {"objects"},
        "botocore": {"objects"},
        "minio": {"objects"},
        "redis": {"cache", "machine"},
        "aiohttp": {"gateway", "client", "doctor", "objects"},  # what aiobotocore raises
    }
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0]
        for module in _imports(path):
            allowed = homes.get(module.split(".")[0])
            assert allowed is None or room in allowed, f"{_name(path)} imports {module}"


def test_the_contract_on_the_users_command_names_all_of_its_modules() -> None:
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (sources,) = [
        contract["source_modules"]
        for contract in contracts["contracts"]
        if contract["name"] == "the user's command never imports a server room"
    ]
    found = {path.stem for path in (PACKAGE / "cli").glob("*.py")}
    operators = {name for name in found if name == "__init__" or name.startswith("admin")}
    assert set(sources) == {f"appliance.cli.{name}" for name in found - operators}
