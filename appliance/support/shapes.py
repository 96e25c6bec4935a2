"""What is a secret, or private, by its looks: no list of values is needed to know it.

Each shape keeps what stands before the secret, so that a reader sees which it was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["KEY_VALUE", "SECRET_VALUE", "SHAPES", "Shape", "mark"]

_NAME = (
    r"(?:passw(?:or)?d|passphrase|secret|credentials?|private[_-]?key|api[_-]?key"
    r"|access[_-]?key|kms[_-]?key|encryption[_-]?key|signature|webhook|auth_pass|masterauth"
    r"|requirepass|sentinel-pass|pgpass|cookie|token|jwt)(?:[_-]?(?:id|key|hash|value))?"
)
_VALUE = (
    r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""
    r"""|\\"(?:[^"\\\n]|\\[^"])*\\"|[^\s,;&"'}\])]+)"""
)
SECRET_VALUE = re.compile(
    rf"(?m)(?:(?i:{_NAME})(?:\\?[\"'])?\s*[=:]\s*"
    rf"|^\s*[\w.-]{{0,40}}?(?i:{_NAME})[ \t]+|\bAUTH +)(?P<value>{_VALUE})"
)
"""A name that says that a secret follows, and what follows."""
KEY_VALUE = re.compile(
    rf"(?:\b[A-Z][A-Z0-9_]{{0,60}}_KE[KY]|(?i:routing|service|signing|user)[_-]?(?i:key))"
    rf"(?:\\?[\"'])?\s*[=:]\s*(?![\"']?(?:/|\d+\b(?!-)|\[redacted))(?P<value>{_VALUE})"
)
"""As many keys are named in the environment and by receivers of alerts. Their files' names, and
numbers, are none."""
_WORD = r"""(?:'[^'\n]*'|"[^"\n]*"|[^\s'"\\]+)"""


@dataclass(frozen=True, slots=True)
class Shape:
    kind: str
    pattern: re.Pattern[str]
    put: str | Callable[[re.Match[str]], str]

    def apply(self, text: str, counts: Counter[str]) -> str:
        fresh, times = self.pattern.subn(self.put, text)
        if times:
            counts[self.kind] += times
        return fresh


def mark(kind: str) -> str:
    return f"[redacted:{kind}]"


def _shape(kind: str, pattern: str, keep: str = "", flags: int = 0) -> Shape:
    """`keep`: what of the match stays, before the mark."""
    return Shape(kind, re.compile(pattern, flags), keep + mark(kind))


def _in_its_quotes(found: re.Match[str]) -> str:
    """JSON stays JSON."""
    quote = re.match(r"\\?[\"']", found["value"])
    around = quote[0] if quote else ""
    before = found[0].removesuffix(found["value"])
    return f"{before}{around}{mark('password')}{around}"


_I, _S, _M = re.IGNORECASE, re.DOTALL, re.MULTILINE

# The wide ones first, so that no narrow one leaves a rest.
SHAPES = (
    _shape(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"
        r".*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
        flags=_S,
    ),
    # What Postgres and its driver quote of statements may hold names of files.
    _shape(
        "statement",
        r"\b(DETAIL|CONTEXT|STATEMENT|QUERY): +(?!\[redacted)\S(?:[^\n\\]|\\(?!n))*",
        r"\1: ",
    ),
    _shape(
        "statement",
        r"\b((?:ERROR|FATAL|PANIC|WARNING|NOTICE|LOG): [^\"\n]*: )\"[^\"\n]*\"",
        r"\1",
    ),
    _shape(
        "header",
        r"\b((?:proxy-)?authorization|(?:set-)?cookie2?|x-amz-security-token)"
        r"(\\?[\"']?\s*[:=]\s*)[^\n]*",
        r"\1\2",
        _I,
    ),
    _shape("query", r"(/[^\s\"'?<>]*)\?[^\s\"'<>]+", r"\1?"),
    _shape(
        "signature",
        r"\b(X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature)=[^\s&\"']+",
        r"\1=",
        _I,
    ),
    _shape("signature", r"\bAWS4-HMAC-SHA256 (?!\[redacted)[^\n\"]*"),
    _shape("session-token", r"\bsbt_[A-Za-z0-9_-]+"),
    _shape("ticket", r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
    _shape("bearer", r"\b(Bearer|Basic|Digest|Token) +[A-Za-z0-9+/._~=-]{6,}", r"\1 ", _I),
    _shape("url-password", r"(://)(?!\[redacted:url)[^\s/@\"'<>]+(?=@)", r"\1"),
    _shape("hash", r"\$(?:argon2\w*|2[aby]|5|6|y)\$[^\s\"':]+"),
    _shape("hash", r"\b(?:SCRAM-SHA-256\$|md5(?=[0-9a-f]{32}\b))[^\s\"']+"),
    _shape("hash", r"(?<=[\s'\"])[#><!][0-9a-f]{64}\b"),
    _shape("password", rf"\b(AUTH|IDENTIFIED BY|PASSWORD) +(?![=:\[]){_WORD}", r"\1 "),
    _shape("password", r"\b(PASSWORD\s+)'[^'\n]*'", r"\1", _I),
    Shape(
        "password",
        re.compile(rf"((?i:{_NAME})(?:\\?[\"'])?\s*[=:]\s*)(?!\[redacted)(?P<value>{_VALUE})"),
        _in_its_quotes,
    ),
    Shape("password", KEY_VALUE, _in_its_quotes),
    # NAME VALUE, as Redis's and keepalived's settings have it.
    _shape(
        "password",
        rf"^(\s*[\w.-]{{0,40}}?(?i:{_NAME})[ \t]+)(?!\[redacted|[=:])\S[^\n]*",
        r"\1",
        _M,
    ),
)
