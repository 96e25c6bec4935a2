"""What the roles install is in the bundle, and what is in its list is there for a role."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
LISTED = (ROOT / "ansible" / "bundle" / "packages.txt").read_text()
# Words of the roles' expressions that are no packages: groups, kinds, and what variables give.
NO_PACKAGES = {"edge", "redis", "volume", "objectstore_package", "patroni_postgres_version"}


def installed() -> set[str]:
    found = set()
    for file in (ROOT / "ansible" / "roles").glob("*/tasks/*.yml"):
        for task in yaml.safe_load(file.read_text()) or []:
            named = task.get("ansible.builtin.apt", {}).get("name", [])
            for each in [named] if isinstance(named, str) else named:
                version = each.replace("{{ patroni_postgres_version }}", "17")
                quoted = re.findall(r"'([a-z0-9][a-z0-9.+-]+)'", version)
                found |= set(quoted) if "{{" in version else {version}
    return found - NO_PACKAGES


def listed() -> tuple[set[str], set[str]]:
    """The roles' own, and what is taken for granted."""
    own, granted = LISTED.split("# Taken for granted")
    return (
        {line for line in own.splitlines() if line and not line.startswith("#")},
        {line for line in granted.splitlines()[1:] if line},
    )


def test_the_list_is_what_the_roles_install() -> None:
    assert listed()[0] == installed()


def test_postgres_is_the_version_of_the_role() -> None:
    defaults = yaml.safe_load((ROOT / "ansible/roles/patroni/defaults/main.yml").read_text())
    assert str(defaults["patroni_postgres_version"]) == "17"


def test_what_is_taken_for_granted_is_listed_once() -> None:
    assert not listed()[0] & listed()[1]
