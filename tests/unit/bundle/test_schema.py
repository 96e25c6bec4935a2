"""The bill of materials is CycloneDX for others' programs, too: its schema says so, strictly."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from license_expression import get_spdx_licensing

from bundle import __main__ as command
from bundle.licences import spdx_ids
from bundle.parts import Part
from bundle.sbom import BOM, bom_of, licences_in
from bundle.schema import schema_findings

STORE = "pkg:golang/github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
CRYPTOGRAPHY = "pkg:pypi/cryptography@50.0.2"
NGINX = "pkg:deb/debian/nginx@1.26.3-3+deb13u1?arch=amd64&distro=trixie"


def digest(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()


def program(purl: str, name: str, version: str, licences: tuple[str, ...], file: str,
            **more: Any) -> Part:  # fmt: skip
    return Part(purl, name, version, licences, file, digest(file), **more)


PARTS = [
    program(NGINX, "nginx", "1.26.3-3+deb13u1", ("BSD-2-clause", "Expat"),
            "apt/nginx_1.26.3-3+deb13u1_amd64.deb", notice="licences/debian/nginx"),
    program("pkg:deb/debian/libacl1@2.3.2-2+b1?arch=amd64&distro=trixie", "libacl1", "2.3.2-2+b1",
            ("LGPL-2+", "GPL-1+ or Artistic, and BSD-4-clause-POWERDOG", "Ärger"),
            "apt/libacl1_2.3.2-2+b1_amd64.deb", notice="licences/debian/libacl1",
            sources=("sources/debian/acl_2.3.2-2.dsc", "sources/debian/acl_2.3.2.orig.tar.xz")),
    Part("pkg:deb/debian/golang-1.24@1.24.4-1?arch=source&distro=trixie", "golang-1.24",
         "1.24.4-1", ("BSD-3-Clause",), holders=(NGINX,)),
    program(CRYPTOGRAPHY, "cryptography", "50.0.2", ("Apache-2.0 OR BSD-3-Clause",),
            "wheels/host/cryptography.whl", notice="licences/python/cryptography@50.0.2.txt"),
    # The same wheel for the controller.
    program(CRYPTOGRAPHY, "cryptography", "50.0.2", ("Apache-2.0 OR BSD-3-Clause",),
            "wheels/controller/cryptography.whl",
            notice="licences/python/cryptography@50.0.2.txt"),
    program("pkg:pypi/ansible@12.3.0", "ansible", "12.3.0", ("GPL-3.0-or-later",),
            "wheels/controller/ansible.whl", is_source=True,
            notice="licences/python/ansible@12.3.0.txt"),
    Part("pkg:cargo/unicode-ident@1.0.24", "unicode-ident", "1.0.24",
         ("(MIT or apache-2.0) AND Unicode-3.0",), holders=(CRYPTOGRAPHY,)),
    Part("pkg:generic/openssl", "openssl", "", (), holders=(CRYPTOGRAPHY,)),
    program(STORE, "github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", ("AGPL-3.0",),
            "store/minio", sources=("sources/go/minio.zip",), notice="licences/go/minio.txt"),
    Part("pkg:golang/github.com/minio/colorjson@v1.0.8", "github.com/minio/colorjson", "v1.0.8",
         (), holders=(STORE,)),
    Part("pkg:generic/stowbay@0.1.0", "stowbay", "0.1.0", ("Apache-2.0",), is_source=True,
         notice="project/LICENSE"),
]  # fmt: skip
DECIDED = {
    "pkg:generic/openssl": ("Apache-2.0",),
    "pkg:golang/github.com/minio/colorjson": ("BSD-3-Clause", "MIT OR ISC", "bzip2-1.0.6"),
}


def bill() -> dict[str, Any]:
    return bom_of(PARTS, DECIDED, "0.1.0", 1_700_000_000)


def told(bom: dict[str, Any]) -> list[str]:
    return [each.text for each in schema_findings(json.dumps(bom))]


def test_a_bill_of_all_kinds_of_parts_is_as_the_schema_says() -> None:
    assert told(bill()) == []


def test_what_is_referred_to_is_there_once() -> None:
    """The schema can't say so."""
    bom = bill()
    known = [each["bom-ref"] for each in bom["components"]]
    assert len(set(known)) == len(PARTS)
    named = [name for each in bom["dependencies"] for name in [each["ref"], *each["dependsOn"]]]
    assert set(named) <= {*known, bom["metadata"]["component"]["bom-ref"]}


def test_every_name_that_is_taken_for_one_of_spdx_is_one() -> None:
    parts = [Part(f"pkg:generic/{each}@1", each, "1", (each,)) for each in spdx_ids()]
    bom = bom_of(parts, {}, "0.1.0", 0)
    assert [each["licenses"][0]["license"]["id"] for each in bom["components"]] == [
        each.name for each in sorted(parts, key=lambda part: part.purl)
    ]
    assert told(bom) == []


def test_expressions_are_ones_that_spdx_can_read() -> None:
    spdx, found = get_spdx_licensing(), []
    for component in bill()["components"]:
        for each in component.get("licenses", []):
            if "expression" in each:
                found += licences_in(component)
                assert spdx.validate(each["expression"]).errors == []
    assert sorted(found) == ["(MIT OR Apache-2.0) AND Unicode-3.0",
                             *["Apache-2.0 OR BSD-3-Clause"] * 2]  # fmt: skip


def _more(bom: dict[str, Any]) -> None:
    bom["components"][0]["licence"] = "MIT"


def _short_hash(bom: dict[str, Any]) -> None:
    next(each for each in bom["components"] if "hashes" in each)["hashes"][0]["content"] = "aa"


def _no_spdx_name(bom: dict[str, Any]) -> None:
    bom["components"][0]["licenses"] = [{"license": {"id": "GPL-2+"}}]


def _expression_beside_a_name(bom: dict[str, Any]) -> None:
    bom["components"][0]["licenses"] = [{"expression": "MIT"}, {"license": {"id": "MIT"}}]


def _no_time(bom: dict[str, Any]) -> None:
    bom["metadata"]["timestamp"] = "yesterday"


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (_more, "$.components[0]: "),
        (_short_hash, ".hashes[0].content: "),
        (_no_spdx_name, "$.components[0].licenses"),
        (_expression_beside_a_name, "$.components[0].licenses"),
        (_no_time, "$.metadata.timestamp: "),
    ],
)
def test_what_the_schema_does_not_allow_is_found_and_its_place_named(
    spoil: Callable[[dict[str, Any]], None], place: str
) -> None:
    bom = bill()
    spoil(bom)
    (found,) = schema_findings(json.dumps(bom))
    assert place in found.text
    assert not found.conveying  # nobody's bundle may have it


def test_what_is_no_json_is_found() -> None:
    (found,) = schema_findings('{"bomFormat": ')
    assert found.text.startswith(f"{BOM}: ")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A finished one, with every file that its bill names."""
    for each in PARTS:
        for file in filter(None, (each.file, each.notice, *each.sources)):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(file)
    (tmp_path / BOM).write_text(json.dumps(bill()), "utf-8")
    return tmp_path


def check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["bundle", "check", str(folder)])
    return command.main()


def test_a_finished_bundle_is_held_to_the_schema(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(bundle, monkeypatch) == 0
    bom = bill()
    _more(bom)
    (bundle / BOM).write_text(json.dumps(bom))
    assert check(bundle, monkeypatch) == 1
    told = capsys.readouterr().err
    assert "'licence' was unexpected" in told and "bundle: 1 findings" in told


def test_what_is_no_bundle_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        check(tmp_path, monkeypatch)
    assert ended.value.code == 2
    assert f"no {BOM} in {tmp_path}" in capsys.readouterr().err
