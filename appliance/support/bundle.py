"""A bundle from what was gathered: redact each entry, bound it, list it in the manifest.

Invariant: no entry in which `holds_secret` finds anything is ever written, whatever the redactor
did before; it is left out, and the manifest says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from appliance.support.entries import LeftOut, Raw
from appliance.support.redaction import Redactor

__all__ = ["LARGEST_BUNDLE", "LARGEST_ENTRY", "Bundle", "Entry", "Manifest"]

LARGEST_ENTRY = 4 << 20
LARGEST_BUNDLE = 96 << 20
"""Bytes before compression, of redacted text."""

_POLICY = (
    "Files, keys, fields, units and commands by allow-lists. Secrets are taken out by value, by "
    "shape and by name; query strings, statements of Postgres and anything that may hold names of "
    "files, always. Foreign network addresses and mail addresses are aliases of this bundle alone."
)


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of the bundle; `bytes` and `sha256` are of what lies in it."""

    name: str
    source: str
    bytes: int
    sha256: str
    redacted: dict[str, int] = {}  # kind -> how many
    left_out: dict[str, int] = {}  # names of fields and directives -> how many
    cut_bytes: int = 0
    kept: str = "all"  # or which end of it


class Omission(msgspec.Struct, frozen=True):
    source: str
    why: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    product: str
    version: str
    installation: str
    made_at: datetime
    since: datetime
    policy: str
    limits: dict[str, int]
    entries: tuple[Entry, ...]
    left_out: tuple[Omission, ...]


@dataclass
class Bundle:
    redactor: Redactor
    largest_entry: int = LARGEST_ENTRY
    largest_bundle: int = LARGEST_BUNDLE
    files: dict[str, bytes] = field(default_factory=dict)
    _entries: list[Entry] = field(default_factory=list)
    _left_out: list[Omission] = field(default_factory=list)
    _bytes: int = 0

    def take(self, found: Iterable[Raw | LeftOut]) -> None:
        for each in found:
            if isinstance(each, Raw):
                self._add(each)
            else:
                self._omit(each.source, each.why)

    def _add(self, raw: Raw) -> None:
        text, cut = _bounded(raw.text, self.largest_entry, newest=raw.newest)
        cut += raw.cut_bytes
        redacted = self.redactor.redact(text)
        content = redacted.text.encode("utf-8", "replace")
        if self._bytes + len(content) > self.largest_bundle:
            self._omit(raw.source, f"the bundle is full: {self.largest_bundle} bytes")
            return
        if self.redactor.holds_secret(redacted.text):
            self._omit(raw.source, "something secret was still to be seen in it")
            return
        name = self._unused(raw.name)
        self._bytes += len(content)
        self.files[name] = content
        self._entries.append(
            Entry(
                name=name,
                source=self.redactor.redact(raw.source).text,
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                redacted=redacted.counts,
                left_out={self.redactor.redact(k).text: n for k, n in raw.left_out.items()},
                cut_bytes=cut,
                kept="all" if not cut else "the end" if raw.newest else "the beginning",
            )
        )

    def _omit(self, source: str, why: str) -> None:
        redact = self.redactor.redact
        self._left_out.append(Omission(redact(source).text, redact(why).text))

    def _unused(self, name: str) -> str:
        stem, number = name, 2
        while name in self.files:
            name, number = f"{stem}.{number}", number + 1
        return name

    def manifest(self, *, version: str, installation: str, at: datetime, since: datetime) -> bytes:
        made = Manifest(
            product="stowbay",
            version=version,
            installation=installation,
            made_at=at,
            since=since,
            policy=_POLICY,
            limits={"entry_bytes": self.largest_entry, "bundle_bytes": self.largest_bundle},
            entries=tuple(self._entries),
            left_out=tuple(self._left_out),
        )
        return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _bounded(text: str, largest: int, *, newest: bool) -> tuple[str, int]:
    """Whole lines of one end, and how many bytes are gone."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= largest:
        return text, 0
    if newest:
        kept = raw[-largest:].partition(b"\n")[2]
    else:
        kept = raw[:largest].rpartition(b"\n")[0] + b"\n"
    return kept.decode("utf-8", "replace"), len(raw) - len(kept)
