"""How one secret may look in a text: as it is, quoted, escaped, percent-encoded, in base64.

`spellings` are the ways that are common enough to be searched for at once. `unwrapped` undoes
escapes where they stand, for the ways that are too many to list: any character may be escaped, in
any letter case, twice, and all that may be in base64.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator

__all__ = ["spellings", "unwrapped"]

_ROUNDS = 4  # of escaping within escaping
_MARKS = re.compile(r"%[0-9A-Fa-f]{2}|\\[ux\"'\\/bfnrt]|&#?\w+;|\+")
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'\\/bfnrt]))")
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Ids in hexadecimal are many, and say nothing in base64.
_RUN = re.compile(r"(?![0-9a-f]+(?![A-Za-z0-9+/_-]))[A-Za-z0-9+/_-]{11,}")
_INNER = re.compile(rb"%[0-9A-Fa-f]{2}|\\u[0-9a-fA-F]{4}|\\[\"'\\/]")
_STANDARD = str.maketrans("-_", "+/")
_GROUP = 4  # characters of base64 for three bytes


def spellings(secret: str) -> set[str]:
    """Every common way to write it, itself included; base64 of a longer text that holds it, too."""
    plain = set(_escaped(secret))
    found = set(plain)
    for each in plain:
        raw = each.encode("utf-8", "surrogatepass")
        found |= {raw.hex(), raw.hex().upper()}
        found |= set(_in_base64(raw))
    return found


def unwrapped(text: str) -> Iterator[str]:
    """The text with escapes undone, step by step, while there are any; then what its base64 says,
    if that is escaped in its turn (if not, a spelling finds it)."""
    yield from _unescaped(text)
    for run in _RUN.finditer(text):
        for offset in range(_GROUP):
            inner = _from_base64(run[0][offset:])
            if _INNER.search(inner):
                yield from _unescaped(inner.decode("utf-8", "replace"))


def _unescaped(text: str) -> Iterator[str]:
    if not _MARKS.search(text):
        return
    # A plus sign may be one, or a space.
    for start in {text, text.replace("+", " ")}:
        if start != text:
            yield start
        current = start
        for _ in range(_ROUNDS):
            before = current
            for step in _STEPS:
                fresh = step(current)
                if fresh != current:
                    current = fresh
                    yield current
            if current == before:
                break


def _escaped(secret: str) -> Iterator[str]:
    yield secret
    for ascii_only in (True, False):
        quoted = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield quoted
        yield json.dumps(quoted)[1:-1]
    for safe in ("", "/", "!*'()~"):
        percent = urllib.parse.quote(secret, safe=safe)
        yield percent
        yield re.sub("%..", lambda found: found[0].lower(), percent)
        yield urllib.parse.quote(percent, safe="")
    yield urllib.parse.quote_plus(secret)
    yield secret.replace("'", "''")  # SQL
    yield secret.replace("\\", "\\\\").replace("'", "\\'")  # a DSN, Python
    yield secret.replace("'", "'\\''")  # the shell
    yield html.escape(secret)


def _in_base64(raw: bytes) -> Iterator[str]:
    """What is the same in the base64 of any text that holds `raw`, for each place in a group of
    three bytes that it may begin at."""
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + raw).decode()
        first = (0, 2, 3)[offset]
        inner = text[first : (offset + len(raw)) * 8 // 6]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))


def _from_base64(run: str) -> bytes:
    """What a run of characters says from its first one on."""
    text = run.translate(_STANDARD)
    if len(text) % _GROUP == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + "=" * (-len(text) % _GROUP))


def _without_backslashes(text: str) -> str:
    if "\\" not in text:
        return text
    fresh = _ESCAPES.sub(_character, text)
    # Two halves of one character, as JSON writes what is beyond 16 bits.
    return fresh.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    if code := found[1] or found[2]:
        return chr(int(code, 16))
    return _CONTROL.get(found[3], found[3])


_STEPS: tuple[Callable[[str], str], ...] = (
    urllib.parse.unquote,
    _without_backslashes,
    html.unescape,
)
