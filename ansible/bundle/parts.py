"""What a bundle consists of: a part is a thing with a version, a licence and a file of its own, or
one that another part holds inside itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Part", "sha256_of"]


@dataclass(frozen=True)
class Part:
    """`purl` is its identity (https://github.com/package-url/purl-spec); paths are relative to the
    bundle. All of `licences` apply, each an expression of AND and OR."""

    purl: str
    name: str
    version: str
    licences: tuple[str, ...]
    file: str = ""
    sha256: str = ""
    # Where its corresponding source lies; a file may be the source of many.
    sources: tuple[str, ...] = ()
    # The file itself is in the form that one changes: a wheel of nothing but Python.
    is_source: bool = False
    # purls of the parts that hold this one inside.
    holders: tuple[str, ...] = ()
    # Where its licence's text lies.
    notice: str = ""

    @property
    def key(self) -> str:
        """The purl without version and qualifiers: what a decision in reviewed.toml names."""
        return self.purl.partition("@")[0]


def sha256_of(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
