"""Looks for a secret as somebody with time would, and not as the product does."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterator


def traces(text: str, secret: str) -> list[str]:
    """How the secret can be got out of the text by two steps of decoding; empty when it can't."""
    return [how for how, seen in readings(text, steps=2) if secret in seen]


def readings(text: str, steps: int) -> Iterator[tuple[str, str]]:
    """The text, and what so many steps make of it; `how` says which."""
    todo = [("as it is", text)]
    yield from todo
    for _ in range(steps):
        todo = [each for how, seen in todo for each in _decoded(how, seen) if each[1] != seen]
        yield from todo


def _decoded(how: str, text: str) -> Iterator[tuple[str, str]]:
    yield f"{how}, URL-decoded", urllib.parse.unquote(text)
    yield f"{how}, form-decoded", urllib.parse.unquote_plus(text)
    yield f"{how}, HTML-decoded", html.unescape(text)
    yield f"{how}, without JSON's escapes", _json_decoded(text)
    yield f"{how}, unquoted as the shell does", text.replace("'\\''", "'")
    yield f"{how}, unquoted as SQL does", text.replace("''", "'")
    for run in set(re.findall(r"[A-Za-z0-9+/_-]{8,}", text)):
        standard = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            body = standard[start:]
            body = body[: len(body) - (len(body) % 4 == 1)]
            raw = base64.b64decode(body + "=" * (-len(body) % 4))
            yield f"{how}, base64 of {run[:8]}", raw.decode("utf-8", "ignore")
    for run in set(re.findall(r"(?:[0-9a-fA-F]{2}){6,}", text)):
        yield f"{how}, hexadecimal", bytes.fromhex(run).decode("utf-8", "ignore")


def _json_decoded(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return str(json.loads(f'"{found[0]}"'))

    return re.sub(r'(?:\\u[0-9a-fA-F]{4}|\\["\\/bfnrt])+', one, text)
