"""Whether a bundle may be passed on: its bill of materials against what lies in it.

Invariant: every program in the bundle is in the bill, with the hash that it has; of every part it
is known whether it asks for its source; what asks for it has it here, and its licence's text. No
finding is the only answer that passes; a bundle for one's own hosts may lack sources and licences,
since nobody is given anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bundle.licences import Kind, kind_of, together
from bundle.parts import Part
from bundle.sbom import kinds, licences_in, properties

__all__ = ["Decision", "Finding", "decided", "findings", "parse_decisions"]

_PROGRAMS = ("apt/", "store/", "wheels/")
# Lists of what lies beside them.
_NO_PROGRAM = {
    "apt/Packages", "apt/Release", "wheels/controller/requirements.txt",
    "wheels/host/SHA256SUMS", "wheels/host/requirements.txt",
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """What is wrong, in a line for a person. `conveying`: only who passes the bundle on to others
    must have it right."""

    text: str
    conveying: bool = False


@dataclass(frozen=True)
class Decision:
    """What a person found out about a part whose licence no program can tell."""

    part: str
    licences: tuple[str, ...]
    reason: str


def parse_decisions(document: Mapping[str, Any]) -> list[Decision]:
    """From reviewed.toml. ValueError says which entry is wrong."""
    found = []
    for each in document.get("decision", []):
        if set(each) != {"part", "licences", "reason"} or not each["reason"].strip():
            raise ValueError(f"an entry has part, licences and reason: {each}")
        if together(map(kind_of, each["licences"])) is Kind.UNKNOWN:
            raise ValueError(f"{each['part']}: {each['licences']} holds a name nobody knows")
        found.append(Decision(each["part"], tuple(each["licences"]), each["reason"]))
    return found


def decided(
    parts: Iterable[Part], decisions: Iterable[Decision]
) -> tuple[dict[str, tuple[str, ...]], list[Finding]]:
    """The licences that decisions give, by key; and findings on decisions without an object."""
    parts = list(parts)
    found, wrong = {}, []
    for each in decisions:
        meant = [part for part in parts if part.key == each.part]
        unknown = [p for p in meant if together(map(kind_of, p.licences)) is Kind.UNKNOWN]
        if not unknown:
            why = "its licence is told without it" if meant else "there is no such part"
            wrong.append(Finding(f"reviewed.toml: {each.part}: {why}; take the entry out"))
        found[each.part] = each.licences
    return found, wrong


def findings(bom: Mapping[str, Any], files: Mapping[str, str]) -> list[Finding]:
    """`files` are the bundle's: relative path -> SHA-256."""
    told = []
    for each in bom["components"]:
        wrong = [*_absent(each, files), *_changed(each, files)]
        told += [Finding(f"{each['purl']}: {why}") for why in wrong]
        told += [Finding(f"{each['purl']}: {why}", conveying=True) for why in _unlicensed(each)]
    named = {file for each in bom["components"] for file in properties(each, "file")}
    told += [
        Finding(f"{file}: isn't in the bill of materials")
        for file in sorted(files.keys() - named - _NO_PROGRAM)
        if file.startswith(_PROGRAMS)
    ]
    return told


def _absent(component: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    return [
        f"{name} {file} isn't in the bundle"
        for name in ("file", "source", "notice")
        for file in properties(component, name)
        if file not in files
    ]


def _changed(component: Mapping[str, Any], files: Mapping[str, str]) -> list[str]:
    said = {each["content"] for each in component.get("hashes", [])}
    return [
        f"{file} hasn't the SHA-256 that the bill says"
        for file in properties(component, "file")
        if file in files and said != {files[file]}
    ]


def _unlicensed(component: Mapping[str, Any]) -> list[str]:
    told = []
    kind = together(kinds(component))
    if kind is Kind.UNKNOWN:
        said = ", ".join(licences_in(component)) or "nothing said"
        told.append(
            f"its licence can't be told ({said}): read it, and write "
            "what you found into ansible/bundle/reviewed.toml"
        )
    has_source = properties(component, "source") or properties(component, "is-source")
    if kind is Kind.COPYLEFT and not has_source:
        told.append("its licence asks for its source, which isn't in the bundle")
    # Who linked a permissive part in doesn't always tell its text; the bill names its licence.
    needs_text = kind is Kind.COPYLEFT or not properties(component, "within")
    if needs_text and not properties(component, "notice"):
        told.append("its licence's text isn't in the bundle")
    return told
