"""What a wheel says of itself, and what it holds that isn't its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from bundle.wheels import Wheel, read_wheel


def wheel(folder: Path, head: str, **files: str) -> Wheel:
    file = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("thing-1.0.dist-info/METADATA", f"Name: Thing\nVersion: 1.0\n{head}\n")
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_DIST", "thing-1.0.dist-info"), text)
    return read_wheel(file)


@pytest.mark.parametrize(
    ("head", "licences"),
    [
        ("License-Expression: Apache-2.0 AND MIT", ("Apache-2.0 AND MIT",)),
        ("License: MIT", ("MIT",)),
        ("License: MIT License", ("MIT License",)),
        ("Classifier: License :: OSI Approved :: MIT License", ("MIT",)),
        ("Classifier: License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
         ("GPL-3.0-or-later",)),
        ("License: see the file\nClassifier: License :: DFSG approved", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_the_surest_that_is_known_counts(
    tmp_path: Path, head: str, licences: tuple[str, ...]
) -> None:
    assert wheel(tmp_path, head).licences == licences


def test_else_its_texts_are_read(tmp_path: Path) -> None:
    found = wheel(tmp_path, "License: custom", _DIST__LICENSE="Mozilla Public License Version 2.0")
    assert found.licences == ("MPL-2.0",)
    assert "==> LICENSE" in found.rights
    assert found.purl == "pkg:pypi/thing@1.0"


def test_only_python_is_its_own_source(tmp_path: Path) -> None:
    assert wheel(tmp_path, "", **{"thing__x.py": ""}).is_source
    assert not wheel(tmp_path, "", **{"thing__x.cpython-313-x86_64-linux-gnu.so": ""}).is_source


def test_what_it_holds_is_told(tmp_path: Path) -> None:
    bill = {
        "components": [
            {"name": "thing", "version": "1.0"},
            {"name": "crate", "version": "2", "purl": "pkg:cargo/crate@2?x=y",
             "licenses": [{"expression": "MIT OR Apache-2.0"}]},
        ]
    }  # fmt: skip
    found = wheel(
        tmp_path, "",
        **{"_DIST__sboms__a.json": json.dumps(bill), "thing.libs__libpq-e9b5c9ac.so.5.18": ""},
    )  # fmt: skip
    assert found.inside == (
        ("pkg:cargo/crate@2", "crate", "2", ("MIT OR Apache-2.0",)),
        ("pkg:generic/thing/libpq", "libpq", "", ()),
    )
