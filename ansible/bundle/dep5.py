"""The licences that a Debian package's copyright file names.

Most are in the machine-readable format (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/);
others are prose, of which only well known phrases are understood.
"""

from __future__ import annotations

import re

from bundle.licences import Kind, kind_of, told_by_text

__all__ = ["licences_of", "stanzas"]


def licences_of(text: str) -> tuple[str, ...]:
    """Each licence named for any of the files; () when none can be told. A name that nobody knows
    is replaced by what its text says, if that is known."""
    paragraphs = stanzas(text)
    heading = paragraphs[0].get("Format", "") if paragraphs else ""
    if not re.search("copyright-format|dep-?5", heading, re.IGNORECASE):
        return told_by_text(text)
    texts: dict[str, str] = {}
    names: dict[str, None] = {}
    for each in paragraphs:
        name, _, body = each.get("License", "").partition("\n")
        name = " ".join(name.split())
        if body.strip() and name:
            texts[name.lower()] = body
        if "Files" in each and "License" in each:
            for one in [name] if name else told_by_text(body) or ("",):
                names[one] = None
    found: dict[str, None] = {}
    for name in names:
        told = told_by_text(texts.get(name.lower(), "")) if kind_of(name) is Kind.UNKNOWN else ()
        for one in told or (name,):
            found[one] = None
    return tuple(found) or told_by_text(text)


def stanzas(text: str) -> list[dict[str, str]]:
    """Paragraphs of `Name: value` with continued lines, as in Debian's control files."""
    found = []
    for block in re.split(r"\n[ \t]*\n+", text.strip("\n")):
        fields: dict[str, str] = {}
        last = ""
        for line in block.splitlines():
            if line[:1] in {" ", "\t"} and last:
                fields[last] += "\n" + line.strip()
            elif (at := line.find(":")) > 0 and not line.startswith("#"):
                last = line[:at].strip()
                fields[last] = line[at + 1 :].strip()
        if fields:
            found.append(fields)
    return found
