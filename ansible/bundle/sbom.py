"""The bundle's bill of materials: CycloneDX 1.6 in JSON (https://cyclonedx.org/docs/1.6/json/).

The same parts give the same bytes. What CycloneDX has no field for stands in properties:
`stowbay:file`, `stowbay:source` (any number), `stowbay:is-source`, `stowbay:within`,
`stowbay:notice`; all paths are relative to the bundle.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from bundle.licences import Kind, kind_of, spdx_expression, spdx_id
from bundle.parts import Part

__all__ = ["BOM", "bom_of", "kinds", "licences_in", "properties"]

BOM = "sbom.cdx.json"

_NAMESPACE = uuid.UUID("0d5c5a4e-8a57-5c0b-9f0e-6d0e3a9f4a11")
_APPLICATIONS = ("store/",)


def bom_of(
    parts: Iterable[Part], decided: Mapping[str, tuple[str, ...]], version: str, seconds: int
) -> dict[str, Any]:
    """`decided` are the licences that a person gave to parts whose own can't be told, by key;
    `seconds` since the epoch is when it counts as made."""
    ordered = sorted(parts, key=lambda each: (each.purl, each.file))
    time = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = "".join(f"{each.purl} {each.sha256}\n" for each in ordered)
    ours = f"pkg:generic/stowbay-bundle@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {
            "timestamp": time,
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "stowbay-bundle",
                "version": version,
                "purl": ours,
            },
        },
        "components": [_component(each, decided.get(each.key, ())) for each in ordered],
        "dependencies": [
            {"ref": ours, "dependsOn": [_ref(each) for each in ordered if not each.holders]},
        ],
    }


def properties(component: Mapping[str, Any], name: str) -> list[str]:
    return [
        each["value"]
        for each in component.get("properties", [])
        if each["name"] == f"stowbay:{name}"
    ]


def _component(part: Part, decided: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "application" if part.file.startswith(_APPLICATIONS) else "library",
        "bom-ref": _ref(part),
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    if part.sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    if decided or part.licences:
        how = "concluded" if decided else "declared"
        found["licenses"] = _licences(decided or part.licences, how)
    told = [
        ("file", part.file),
        ("is-source", "yes" if part.is_source else ""),
        ("notice", part.notice),
        *(("source", each) for each in part.sources),
        *(("within", each) for each in part.holders),
    ]
    found["properties"] = [
        {"name": f"stowbay:{name}", "value": value} for name, value in told if value
    ]
    return found


def _ref(part: Part) -> str:
    """The same wheel may lie in two places."""
    return part.file or part.purl


def _licences(texts: tuple[str, ...], how: str) -> list[dict[str, Any]]:
    """CycloneDX takes one expression or any number of names: expressions become names where a part
    has several."""
    if len(texts) == 1 and not spdx_id(texts[0]) and (whole := spdx_expression(texts[0])):
        return [{"expression": whole, "acknowledgement": how}]
    said = [{"id": known} if (known := spdx_id(each)) else {"name": each} for each in texts]
    return [{"license": {**each, "acknowledgement": how}} for each in said]


def licences_in(component: Mapping[str, Any]) -> list[str]:
    """All that a component names, each a name or an expression."""
    found = []
    for each in component.get("licenses", []):
        named = each.get("license", {})
        found.append(each.get("expression") or named.get("id") or named["name"])
    return found


def kinds(component: Mapping[str, Any]) -> list[Kind]:
    """What each of a component's licences asks."""
    return [kind_of(each) for each in licences_in(component)]
