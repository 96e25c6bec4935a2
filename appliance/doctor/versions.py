"""Releases and schemas, compared with this command's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance import __version__
from appliance.doctor.report import Line, line

__all__ = ["Schema", "judge"]


@dataclass(frozen=True, slots=True)
class Schema:
    """Migrations of one database: `lacking` of this release's, `unknown` to it."""

    database: str
    lacking: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def judge(releases: Mapping[str, str], schemas: Sequence[Schema]) -> list[Line]:
    """`releases`: part -> version, for those that told."""
    lines = []
    for schema in schemas:
        if schema.lacking:
            seen = f"lacks {', '.join(schema.lacking)}"
            lines.append(line("versions.schema-behind", schema.database, seen))
        if schema.unknown or schema.changed:
            seen = f"has {', '.join((*schema.unknown, *schema.changed))} of another release"
            lines.append(line("versions.schema-ahead", schema.database, seen))
    told = {"stowbay-admin": __version__, **releases}
    if len(set(told.values())) > 1:
        seen = ", ".join(f"{part} {version}" for part, version in told.items())
        return [*lines, line("versions.differ", "all", seen)]
    schema_seen = f"; schema of {len(schemas)} database{'s' * (len(schemas) != 1)}"
    seen = f"{', '.join(told)}: {__version__}{schema_seen if schemas and not lines else ''}"
    return [*lines, line("versions.ok", "all", seen)]
