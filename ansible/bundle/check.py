"""Whether a bundle may be passed on: its bill of materials against what lies in it.

Invariant: every program in the bundle is in the bill, every licence is known, and whatever asks for
source has it here. No finding is the only answer that passes; a bundle for one's own hosts may
lack sources, since nobody is given anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from bundle.licences import Kind, kind_of, together
from bundle.parts import Part
from bundle.sbom import kinds, properties

__all__ = ["Decision", "Finding", "decided", "findings", "parse_decisions"]

_PROGRAMS = ("apt/", "store/", "wheels/")
_NO_PROGRAM = ("Packages", "Release", "requirements.txt", "SHA256SUMS")


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


def findings(bom: Mapping[str, Any], files: Set[str]) -> list[Finding]:
    """`files` are the bundle's, as relative paths."""
    told = []
    for each in bom["components"]:
        told += [Finding(f"{each['purl']}: {why}") for why in _absent(each, files)]
        told += [Finding(f"{each['purl']}: {why}", conveying=True) for why in _unlicensed(each)]
    named = {file for each in bom["components"] for file in properties(each, "file")}
    told += [
        Finding(f"{file}: isn't in the bill of materials")
        for file in sorted(files - named)
        if file.startswith(_PROGRAMS) and not file.endswith(_NO_PROGRAM)
    ]
    return told


def _absent(component: Mapping[str, Any], files: Set[str]) -> list[str]:
    return [
        f"{name} {file} isn't in the bundle"
        for name in ("file", "source", "notice")
        for file in properties(component, name)
        if file not in files
    ]


def _unlicensed(component: Mapping[str, Any]) -> list[str]:
    told = []
    kind = together(kinds(component))
    if kind is Kind.UNKNOWN:
        licences = [each["license"] for each in component.get("licenses", [])]
        said = [each.get("id") or each["name"] for each in licences]
        told.append(
            f"its licence can't be told ({', '.join(said) or 'nothing said'}): read it, and write "
            "what you found into ansible/bundle/reviewed.toml"
        )
    has_source = properties(component, "source") or properties(component, "is-source")
    if kind is Kind.COPYLEFT and not has_source:
        told.append("its licence asks for its source, which isn't in the bundle")
    return told
