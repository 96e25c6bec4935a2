"""A package is read without Debian's tools, and the index says what apt needs to check it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from bundle.apt_index import packages_text, release_text
from bundle.deb import built_from, read_deb
from bundle.debian import stand_in
from bundle.dep5 import stanzas

CONTROL = """Package: thing
Source: things (1:2.0-1)
Version: 1:2.0-1+b2
Architecture: amd64
Built-Using: golang-1.24 (= 1.24.4-1)
Static-Built-Using: golang-x (= 0.1-2), golang-1.24 (= 1.24.4-1)
Description: a thing
 and more of it
"""


def deb(folder: Path, control: str = CONTROL, copyright: str = "as you like") -> Path:
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", packed("xz", {"./control": control})),
        ("data.tar.gz", packed("gz", {"./usr/share/doc/thing/copyright": copyright})),
    ]
    content = b"!<arch>\n"
    for name, data in members:
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        content += head.encode() + data + b"\n" * (len(data) % 2)
    file = folder / "thing_2.0-1+b2_amd64.deb"
    file.write_bytes(content)
    return file


def packed(kind: str, files: dict[str, str]) -> bytes:
    place = io.BytesIO()
    with tarfile.open(fileobj=place, mode=f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return place.getvalue()


def test_a_package_says_its_source_and_its_rights(tmp_path: Path) -> None:
    found = read_deb(deb(tmp_path))
    assert found.control == CONTROL.rstrip()
    assert found.copyright == "as you like"
    assert found.source == ("things", "1:2.0-1")  # not the rebuild's version
    assert built_from(found.fields) == [("golang-1.24", "1.24.4-1"), ("golang-x", "0.1-2")]


def test_without_a_source_field_it_is_its_own(tmp_path: Path) -> None:
    found = read_deb(deb(tmp_path, "Package: thing\nVersion: 3\nArchitecture: all\n"))
    assert found.source == ("thing", "3")
    assert built_from(found.fields) == []


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a Debian package"):
        read_deb(tmp_path / "x.deb")


def test_the_index_names_each_file_with_size_and_hash() -> None:
    text = packages_text(
        [(CONTROL, "b.deb", 7, "bb"), ("Package: a\nVersion: 1", "a.deb", 5, "aa")]
    )
    first, second = stanzas(text)
    assert (first["Package"], first["Filename"], first["Size"]) == ("a", "./a.deb", "5")
    assert (second["Version"], second["SHA256"]) == ("1:2.0-1+b2", "bb")
    assert second["Description"] == "a thing\nand more of it"


def test_the_release_vouches_for_the_index() -> None:
    index = b"Package: a\n"
    text = release_text({"Packages": index}, "0.1.0", 1_700_000_000)
    fields = stanzas(text)[0]
    assert fields["Date"] == "Tue, 14 Nov 2023 22:13:20 UTC"
    assert fields["SHA256"].split() == [hashlib.sha256(index).hexdigest(), "11", "Packages"]
    assert text == release_text({"Packages": index}, "0.1.0", 1_700_000_000)


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("1:2.0-1", "1:2.0-1"),
        ("1:2.0-0", "1:2.0-3"),  # another revision has the same upstream source
        ("1:1.9-1", "1:2.1-1"),  # another version tells the licence
    ],
)
def test_a_revision_that_is_gone_has_a_stand_in(version: str, found: str) -> None:
    known = [("a", "1:2.0-1"), ("a", "1:2.0-3"), ("a", "1:2.1-1"), ("b", "1:1.9-1")]
    assert stand_in(("a", version), known) == ("a", found)


def test_a_source_that_nobody_has_has_none() -> None:
    assert stand_in(("c", "1"), [("a", "1")]) is None
