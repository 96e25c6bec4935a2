"""What is made from the roles and the matrix is what stands in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster import port_pages, readmes


def _name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("role", readmes.role_folders(), ids=_name)
def test_a_roles_readme_is_fresh(role: Path) -> None:
    written = role / "README.md"
    assert written.exists(), "python -m tests.cluster.readmes writes it"
    assert written.read_text("utf-8") == readmes.readme(role), "python -m tests.cluster.readmes"


def test_every_role_says_its_arguments() -> None:
    roles = {path.name for path in readmes.ROLES.iterdir() if (path / "tasks").is_dir()}
    assert roles == {path.name for path in readmes.role_folders()}


def test_the_page_of_ports_is_fresh() -> None:
    made = port_pages.page(yaml.safe_load(port_pages.MATRIX.read_text("utf-8")))
    assert port_pages.PAGE.read_text("utf-8") == made, "python -m tests.cluster.port_pages"
