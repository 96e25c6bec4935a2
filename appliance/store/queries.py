"""Named queries: plain SQL in files, described, loaded once.

A file holds blocks that begin with `-- name: the_name`; comment lines that follow describe the
query. A query that spans spaces says `bucket` in its description and binds a range of the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

__all__ = ["Query", "load", "parse"]

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    name: str
    description: str
    sql: LiteralString


def parse(text: str) -> dict[str, Query]:
    """Raises ValueError for a name used twice, no description, or text before the first name."""
    pieces = _NAME.split(text)
    if pieces[0].strip("\n -") and any(
        line and not line.startswith("--") for line in pieces[0].splitlines()
    ):
        raise ValueError("SQL before the first '-- name:' line")
    found: dict[str, Query] = {}
    for name, block in zip(pieces[1::2], pieces[2::2], strict=True):
        lines = block.strip("\n").splitlines()
        described = [line for line in lines if line.startswith("--")]
        sql = "\n".join(line for line in lines if not line.startswith("--")).strip()
        if name in found:
            raise ValueError(f"query {name} is defined twice")
        if not described or not sql:
            raise ValueError(f"query {name} needs a description and SQL")
        description = " ".join(line.removeprefix("--").strip() for line in described)
        found[name] = Query(name, description, sql.rstrip(";"))
    return found


def load(module_file: str) -> dict[str, LiteralString]:
    """The SQL texts, by name, of the .sql file beside a module: `Q = load(__file__)`."""
    text = Path(module_file).with_suffix(".sql").read_text(encoding="utf-8")
    return {name: query.sql for name, query in parse(text).items()}
