"""The reference names everything that may be in a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.support.bundle import LARGEST_BUNDLE, LARGEST_ENTRY
from appliance.support.gather import LARGEST_FILE
from appliance.support.shapes import SHAPES
from appliance.support.sources import installation

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "reference" / "support-bundle.md").read_text("utf-8")


def listed() -> list[str]:
    host = installation(Path("/etc/stowbay/stowbay.json"))
    files = [source.glob for source in host.sources]
    return [*files, *host.units, *(name for name, _ in host.figures if "-" not in name)]


@pytest.mark.parametrize("name", listed())
def test_what_is_taken_on_a_host(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_what_is_taken_on_one_machine(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "log").mkdir()
    for source in installation(tmp_path / "config" / "stowbay.json").sources:
        assert f"`{source.glob}`" in PAGE, source.glob


@pytest.mark.parametrize("kind", sorted({"known-secret", "address", *(s.kind for s in SHAPES)}))
def test_what_is_taken_out(kind: str) -> None:
    assert f"`{kind}`" in PAGE


def test_limits() -> None:
    for limit in (LARGEST_ENTRY, LARGEST_FILE, LARGEST_BUNDLE):
        assert f"{limit >> 20} MiB" in PAGE
