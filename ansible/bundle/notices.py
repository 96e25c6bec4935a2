"""NOTICES.md: for people, what the bill of materials says of licences and of where sources lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bundle.sbom import licences_in, properties

__all__ = ["notices_text"]

_HEAD = """# Parts, licences, sources

Made from sbom.cdx.json. Texts of licences: licences/. Where a licence asks for the source, the last
column says where in this bundle it lies (of a Debian source package, its .dsc);
`itself` means that the file is its own source.

| part | version | licences | text | source |
| --- | --- | --- | --- | --- |
"""


def notices_text(bom: Mapping[str, Any]) -> str:
    rows = []
    for each in bom["components"]:
        names = "; ".join(licences_in(each))
        sources = properties(each, "source")
        places = sorted(each for each in sources if each.endswith(".dsc")) or sorted(sources)
        if properties(each, "is-source"):
            places = ["itself"]
        notice = "".join(properties(each, "notice"))
        rows.append(
            f"| {each['name']} | {each['version']} | {names.replace('|', '/')} | {notice} | "
            f"{', '.join(places)} |\n"
        )
    return _HEAD + "".join(rows)
