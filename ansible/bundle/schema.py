"""Whether others' programs can read the bill of materials: CycloneDX's own schema, in its strict
form (a field that it doesn't know is wrong, too)."""

from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bundle.check import Finding
from bundle.sbom import BOM

__all__ = ["schema_findings"]

_SHOWN = 200  # characters of a message, which may quote the whole bill


def schema_findings(text: str) -> list[Finding]:
    """One for each place that isn't as the schema says, with its path in the document."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    try:
        wrong = validator.validate_str(text, all_errors=True) or ()
    except json.JSONDecodeError as error:
        return [Finding(f"{BOM}: {error}")]
    return [
        Finding(f"{BOM}: {each.data.json_path}: {each.data.message[:_SHOWN]}") for each in wrong
    ]
