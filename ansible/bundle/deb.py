"""A Debian binary package, read without Debian's tools: an `ar` of control.tar and data.tar
(deb(5))."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bundle.dep5 import stanzas

__all__ = ["Deb", "built_from", "read_deb"]


@dataclass(frozen=True)
class Deb:
    """`control` is the control file as it stands; `copyright` the text below /usr/share/doc, or ""
    where that is a link to another package of the same source."""

    control: str
    copyright: str

    @property
    def fields(self) -> dict[str, str]:
        return stanzas(self.control)[0]

    @property
    def source(self) -> tuple[str, str]:
        """Name and version of its source package; a rebuild's version differs from its source's."""
        fields = self.fields
        found = re.fullmatch(r"(\S+)(?:\s+\((\S+)\))?", fields.get("Source", fields["Package"]))
        if not found:
            raise ValueError(f"Source: {fields['Source']!r}")
        return found[1], found[2] or fields["Version"]


def read_deb(file: Path) -> Deb:
    control, rights = "", ""
    for name, content in _members(file.read_bytes()):
        if not name.startswith(("control.tar", "data.tar")):
            continue
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            if name.startswith("control.tar"):
                control = _text(archive, r"\./control|control")
            else:
                rights = _text(archive, r"\./usr/share/doc/[^/]+/copyright")
    if not control:
        raise ValueError(f"{file.name} has no control file")
    return Deb(control.rstrip("\n"), rights)


def built_from(fields: dict[str, str]) -> list[tuple[str, str]]:
    """Sources of which parts are inside without being named by Source: statically linked ones."""
    said = ", ".join(fields.get(each, "") for each in ("Built-Using", "Static-Built-Using"))
    return sorted(set(re.findall(r"(\S+) \(= ([^)]+)\)", said)))


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    if not data.startswith(b"!<arch>\n"):
        raise ValueError("not a Debian package")
    at = 8
    while at < len(data):
        head = data[at : at + 60]
        size = int(head[48:58])
        yield head[:16].decode().rstrip(" /"), data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _text(archive: tarfile.TarFile, wanted: str) -> str:
    for each in archive:
        if each.isfile() and re.fullmatch(wanted, each.name):
            handle = archive.extractfile(each)
            assert handle
            return handle.read().decode("utf-8", "replace")
    return ""
