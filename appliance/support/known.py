"""The secrets that this host knows, so that they are found wherever they turn up.

They are read from the files that hold them, none of which is ever put into a bundle for that. A
file that can't be read adds nothing; what it holds can hardly be in a file that can be.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from appliance.support.redaction import SHORTEST
from appliance.support.shapes import KEY_VALUE, SECRET_VALUE

__all__ = ["addresses_in", "secrets_in", "secrets_of_files"]

_LARGEST = 1 << 20
_USER = re.compile(r"[a-z][a-z0-9+.-]*://([^\s/@\"'<>]+)@", re.IGNORECASE)
_CONNINFO = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s\"']+))")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_HARMLESS = re.compile(
    r"/.*|\d+|true|false|none|null|yes|no|off|\[redacted.*|signature|password|secret|token",
    re.IGNORECASE,
)
_OTHER_KEY = re.compile(r"(?i:[_-](?:key|kek|jwt))[\"']?\s*[=:]\s*[\"']?(?P<value>[\w+/=:-]{16,})")
_URL = re.compile(r"(?i:url)[\"']?\s*[=:]\s*[\"']?https?://[^\s/\"'<>]+(?P<rest>/[^\s\"'<>]+)")
_OPAQUE = re.compile(
    r"(?=.*\d|.*[a-z].*[A-Z]|.*[A-Z].*[a-z])[\w.:+/=%-]{16,}"
)  # no word of a language
_PEM_LINE = 32  # characters; a shorter last line of a key tells nothing


def secrets_of_files(paths: Iterable[Path], whole: Iterable[Path] = ()) -> set[str]:
    """`paths`: files with secrets among other things. `whole`: files that are one secret each,
    or two with a colon between."""
    found: set[str] = set()
    for path in paths:
        found |= secrets_in(_text(path))
    for path in whole:
        text = _text(path).strip()
        found |= {text, *text.split(":")} if "PRIVATE KEY" not in text else set()
        found |= secrets_in(text)
    return {each for each in found if len(each) >= SHORTEST}


def secrets_in(text: str) -> set[str]:
    """By the names before them, in URLs and DSNs, keys by their lines; of JSON by its own names."""
    try:
        return set(_of_json(json.loads(text)))
    except ValueError:
        return set(_of_text(text))


def addresses_in(paths: Iterable[Path]) -> set[str]:
    return {each for path in paths for each in _ADDRESS.findall(_text(path))}


def _of_json(found: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _of_json(value, str(key))
    elif isinstance(found, list):
        for each in found:
            yield from _of_json(each, name)
    elif isinstance(found, str):
        yield from _of_text(found)
        if not _HARMLESS.fullmatch(found):
            yield from _of_text(f"{name}={json.dumps(found)}")
            if SECRET_VALUE.search(f"{name}=x"):
                yield found


def _of_text(text: str) -> Iterator[str]:
    for pem in _PEM.findall(text.replace("\\n", "\n")):
        lines = [line.strip() for line in pem.splitlines()]
        yield from (line for line in lines if len(line) >= _PEM_LINE)
        yield "".join(lines)
    for user in _USER.findall(text):
        for each in (user, user.partition(":")[2]):
            yield each
            yield unquote(each)
    for quoted, bare in _CONNINFO.findall(text):
        yield re.sub(r"\\(.)", r"\1", quoted) or bare
    for pattern in (SECRET_VALUE, KEY_VALUE):
        for match in pattern.finditer(text):
            value = match["value"].strip("\"'")
            if not _HARMLESS.fullmatch(value):
                yield value
                yield from _decoded(value)
    for match in _OTHER_KEY.finditer(text):
        if _OPAQUE.fullmatch(match["value"]) and not _HARMLESS.fullmatch(match["value"]):
            yield match["value"]
    for match in _URL.finditer(text):
        yield from filter(_OPAQUE.fullmatch, re.split(r"[/?&=]", match["rest"]))


def _decoded(value: str) -> Iterator[str]:
    """`name:base64` is how MinIO is given its key."""
    tail = value.rpartition(":")[2]
    if tail != value:
        yield tail
    try:
        raw = base64.b64decode(tail, validate=True)
    except ValueError:
        return
    if raw.isascii() and raw.decode().isprintable():
        yield raw.decode()


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            return ""
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
