"""docs/reference/inventory.md has every variable and every secret, and none that is gone."""

import re
from pathlib import Path

from tests.unit.ansible.plugins import ANSIBLE, filter_plugin

PAGE = (ANSIBLE.parent / "docs" / "reference" / "inventory.md").read_text()
ROOTS = "vault|stowbay|objectstore|gateway|pki|preflight|os_baseline"
NAMED = set(re.findall(rf"`((?:{ROOTS})_[a-z_]+)", PAGE))
INVENTORIES = sorted((ANSIBLE / "inventories").glob("*/group_vars/all/main.yml"))


def variables(file: Path) -> set[str]:
    return set(re.findall(r"(?m)^([a-z_]+):", file.read_text()))


def test_every_variable_of_an_inventory_is_described() -> None:
    assert len(INVENTORIES) == 3
    for file in INVENTORIES:
        assert variables(file) <= NAMED, file


def test_the_three_inventories_have_the_same_variables() -> None:
    first, *others = (variables(file) for file in INVENTORIES)
    assert all(other == first for other in others)


def test_each_variable_of_an_inventory_has_a_line_that_says_what_it_is() -> None:
    for file in INVENTORIES:
        before = ""
        for line in file.read_text().splitlines():
            if re.match(r"stowbay_(upload|download)_port|stowbay_floating_interface", line):
                continue  # one comment for both of a pair
            assert not re.match(r"[a-z_]+:", line) or before.startswith("#"), (file, line)
            before = line


def test_the_secrets_are_the_vaults() -> None:
    made = set(filter_plugin("stowbay_secrets").fresh_secrets(0))
    assert {name for name in NAMED if name.startswith("vault_")} == made


def test_what_is_named_exists() -> None:
    files = [*ANSIBLE.rglob("*.yml")]
    known = {word for file in files for word in re.findall(r"[a-z_]+", file.read_text())}
    assert {name for name in NAMED if not name.startswith("vault_")} <= known
