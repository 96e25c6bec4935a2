"""The lab's Debian comes from where this machine's own packages come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.base_image import mirror_of

DEB822 = """Types: deb
# http://snapshot.example.org/archive/debian-security/20250520T000000Z
URIs: https://apt.example.net/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: https://elsewhere.example.net/ubuntu https://apt.example.net/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """# deb http://old.example.net/debian trixie main
deb [arch=amd64 signed-by=/usr/share/x.gpg] http://apt.example.net/mirror/debian trixie main
deb http://apt.example.net/mirror/debian-security trixie-security main"""


@pytest.mark.parametrize(
    ("file", "text", "debian", "security"),
    [
        ("sources.list.d/debian.sources", DEB822, "https://apt.example.net/debian",
         "https://apt.example.net/debian-security"),
        ("sources.list", ONE_LINE, "http://apt.example.net/mirror/debian",
         "http://apt.example.net/mirror/debian-security"),
        ("sources.list", "deb http://apt.example.net/debian trixie main",
         "http://apt.example.net/debian", "http://deb.debian.org/debian-security"),
        ("sources.list.d/node.list", "deb https://node.example.net/node_20.x nodistro main\n",
         "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"),
        ("sources.list.d/debian.sources.bak", DEB822,
         "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"),
    ],
)  # fmt: skip
def test_each_archive_has_its_mirror(
    tmp_path: Path, file: str, text: str, debian: str, security: str
) -> None:
    place = tmp_path / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    assert mirror_of("debian", tmp_path) == debian
    assert mirror_of("debian-security", tmp_path) == security


def test_without_sources_it_is_the_mirror_for_everybody(tmp_path: Path) -> None:
    assert mirror_of("debian-security", tmp_path) == "http://deb.debian.org/debian-security"
