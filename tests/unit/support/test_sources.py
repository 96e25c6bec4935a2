"""The list of sources and the roles: what is taken is what they write, what they hide is known."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from appliance.support.sources import Source, installation

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "ansible" / "roles"
HOST = installation(Path("/etc/stowbay/stowbay.json"))
DEBIANS = {"etc/os-release"}
# nginx's files are rendered by appliance.edge, into the folders that the role edge names.
EDGE = yaml.safe_load((ROLES / "edge" / "vars" / "main.yml").read_text("utf-8"))


@dataclass(frozen=True)
class Written:
    """`path`: with * for what only a host knows. `hidden`: its difference is never shown."""

    path: str
    hidden: bool


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or ():
        for block in ("block", "rescue", "always"):
            yield from tasks(task.get(block))
        yield task


def items(task: dict[str, Any], role: Path) -> list[Any]:
    """Also those that an expression makes, by the units it names."""
    looped = task.get("loop")
    if isinstance(looped, str):
        told = (role / "vars" / "main.yml").read_text("utf-8")
        looped = yaml.safe_load(told).get(looped.strip("{} "))
        if isinstance(looped, str):
            return [{"unit": name} for name in re.findall(r"'unit': '([\w@-]+)", told)]
    return looped if isinstance(looped, list) else [{}]


def filled(text: str, item: Any) -> str:
    if isinstance(item, dict):
        text = re.sub(r"{{ item\.(\w+) }}", lambda found: str(item.get(found[1], found[0])), text)
    return re.sub(r"{{.*?}}", "*", text)


def written() -> Iterator[Written]:
    for file in sorted(ROLES.glob("*/tasks/*.yml")):
        for task in tasks(yaml.safe_load(file.read_text("utf-8"))):
            told = task.get("ansible.builtin.template") or task.get("ansible.builtin.copy") or {}
            if "dest" in told:
                hidden = task.get("diff") is False or task.get("no_log") is True
                for item in items(task, file.parents[1]):
                    yield Written(filled(told["dest"], item), hidden)


WRITTEN = sorted(set(written()), key=lambda each: each.path)


def test_the_roles_are_read_as_they_are_meant() -> None:
    assert {
        Written("/etc/stowbay/store/store.env", True), Written("/etc/patroni/*.yml", True),
        Written("/etc/stowbay/cluster", False), Written("/etc/stowbay/tickets.json", True),
        Written("/etc/default/prometheus-redis-exporter", True),
    } <= set(WRITTEN)  # fmt: skip


@pytest.mark.parametrize("source", HOST.sources, ids=lambda source: source.glob)
def test_what_is_taken_is_written_by_a_role(source: Source) -> None:
    paths = [each.path for each in WRITTEN]
    paths.append(f"{EDGE['edge_config']}/nginx.conf")
    logs = "".join(path.read_text("utf-8") for path in (ROOT / "appliance/edge/nginx").iterdir())
    for name in re.findall(r'"@log_dir@/([\w.-]+)"', logs):
        paths.append(f"{EDGE['edge_options']['log_dir']}/{name}")
    wanted = "/" + source.glob.removesuffix(".1")  # as logrotate keeps the one before
    assert source.glob in DEBIANS or any(fnmatch.fnmatch(path, wanted) for path in paths)


@pytest.mark.parametrize("each", [each for each in WRITTEN if each.hidden], ids=lambda e: e.path)
def test_what_a_role_hides_is_read_for_secrets(each: Written) -> None:
    path = PurePosixPath(each.path)
    if path.parts[1] == "run" or "service" in path.suffix:  # gone at once; a unit holds none
        return
    globs = [PurePosixPath("/" + glob) for glob in (*HOST.secret_files, *HOST.whole_secrets)]
    assert any(len(g.parts) == len(path.parts) and path.match(str(g)) for g in globs)
