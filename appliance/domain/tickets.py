"""What a download ticket says, and the one decision whether it opens an object.

A ticket is a compact JWT (ES256) over one object and its conditions, described for readers in
docs/reference/ticket-format.md. The edge decides in njs (appliance/edge/njs/ticket.js); this module
is its twin and must give the same verdict for every token: tests/edge/vectors.json holds both to
it.

Invariants:
- The algorithm belongs to the key's entry. A token that names another one is refused before any
  signature is looked at, so neither "none" nor a public key used as an HMAC secret gets through.
- A claim that isn't known is refused: it may be a condition that a newer gateway relies on.
- Expiry is judged last, so EXPIRED means that nothing else is wrong and the way back may be shown.
- No control character leaves the signer or passes the edge: `fn` and `ct` become response
  headers and `back` a Location.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from appliance.domain.errors import Problem

__all__ = [
    "ALGORITHM",
    "AUDIENCE",
    "BIND_COOKIE",
    "CLOCK_SKEW_SECONDS",
    "LONGEST_TOKEN",
    "Opened",
    "Ticket",
    "UnsignableTicket",
    "Verdict",
    "cookie_hash",
    "encode_claims",
    "encode_part",
    "judge",
    "open_token",
]

ALGORITHM = "ES256"
AUDIENCE = "stowbay-edge"
BIND_COOKIE = "stowbay_bind"
CLOCK_SKEW_SECONDS = 60
LONGEST_TOKEN = 4096  # characters

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_OBJECT = re.compile(r"/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/blobs(/[0-9A-Za-z_-]+)+")
_TYPE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"(; ?charset=[A-Za-z0-9_-]{1,40})?"
)
_BACK = re.compile(r"/api/v1/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_ADDRESS = re.compile(r"[0-9a-fA-F:.]{2,45}")
_HASH = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile("[\u0000-\u001f\u007f-\u009f]")
# Half a character, escaped: parsers differ in what they make of it. The signer escapes none.
_SURROGATE_ESCAPE = re.compile(r"(?:^|[^\\])(?:\\\\)*\\u[dD][89a-fA-F]")
_LONGEST_TEXT = 1024  # bytes in UTF-8, of `fn` and of `back`
_LARGEST_NUMBER = 2**53 - 1  # what a JavaScript number holds exactly

_HEADER_FIELDS = frozenset({"alg", "kid", "typ"})
_REQUIRED = frozenset({"aud", "obj", "exp", "iat", "ep", "fn", "ct", "dp", "back"})
_SERVED = _REQUIRED | {"ip", "ck"}


class Verdict(StrEnum):
    """Stable: an edge answers a refused ticket with the problem code "ticket-" + verdict."""

    OK = "ok"
    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    WRONG_ALGORITHM = "wrong-algorithm"
    BAD_SIGNATURE = "bad-signature"
    UNSUPPORTED = "unsupported"  # a slice of an object, or a claim this edge doesn't know
    WRONG_AUDIENCE = "wrong-audience"
    BAD_OBJECT = "bad-object"
    BAD_TEXT = "bad-text"
    NOT_YET = "not-yet"
    WRONG_ADDRESS = "wrong-address"
    WRONG_COOKIE = "wrong-cookie"
    EXPIRED = "expired"


class UnsignableTicket(Problem):
    """A claim that every edge would refuse; signing it is a mistake of the caller."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Field names are the claims'. Times are whole seconds of Unix time; lengths are bytes."""

    obj: str  # "/bucket/blobs/..."
    exp: int
    iat: int
    ep: int  # share epoch: raised when a share is revoked
    fn: str
    ct: str
    dp: str  # "inline" or "attachment"
    back: str  # path and query of the stable URL, below /api/v1/
    rng: tuple[int, int] | None = None  # offset and length inside the object
    ip: str | None = None  # as nginx writes $remote_addr
    ck: str | None = None  # cookie_hash of the cookie BIND_COOKIE


@dataclass(frozen=True, slots=True)
class Opened:
    """A token taken apart; nothing of it is proven yet."""

    kid: str
    algorithm: str
    signed: bytes  # what the signature is over
    signature: bytes  # r and s, 32 bytes each
    payload: bytes


def cookie_hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def encode_part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def encode_claims(ticket: Ticket) -> bytes:
    """The payload of a token. Raises UnsignableTicket for what an edge would refuse by itself."""
    claims: dict[str, Any] = {
        "aud": AUDIENCE,
        "obj": ticket.obj,
        "exp": ticket.exp,
        "iat": ticket.iat,
        "ep": ticket.ep,
        "fn": ticket.fn,
        "ct": ticket.ct,
        "dp": ticket.dp,
        "back": ticket.back,
    }
    if ticket.rng is not None:
        claims["rng"] = list(ticket.rng)
    if ticket.ip is not None:
        claims["ip"] = ticket.ip
    if ticket.ck is not None:
        claims["ck"] = ticket.ck
    fault = _shape_fault(claims) or _content_fault(claims)
    if fault is not None:
        raise UnsignableTicket(f"a ticket with these claims would be refused: {fault}")
    return json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()


def open_token(token: str) -> Opened | Verdict:
    """Everything that can be said before a key is known."""
    if not token:
        return Verdict.MISSING
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        return Verdict.MALFORMED
    head, payload, signature = token.split(".")
    parts = [_decode_part(part) for part in (head, payload, signature)]
    raw_head, raw_payload, raw_signature = parts
    if raw_head is None or raw_payload is None or raw_signature is None:
        return Verdict.MALFORMED
    fields = _decode_object(raw_head)
    if fields is None or not fields.keys() <= _HEADER_FIELDS:
        return Verdict.MALFORMED
    kid, algorithm = fields.get("kid"), fields.get("alg")
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid) or not isinstance(algorithm, str):
        return Verdict.MALFORMED
    return Opened(kid, algorithm, f"{head}.{payload}".encode(), raw_signature, raw_payload)


def judge(
    payload: bytes, *, bucket: str, now: float, address: str, cookie: str
) -> tuple[Verdict, Ticket | None]:
    """The verdict on claims whose signature is good; `cookie` is "" when the request has none.

    The ticket comes back with OK and with EXPIRED (for its way back), never otherwise.
    """
    claims = _decode_object(payload)
    if claims is None:
        return Verdict.MALFORMED, None
    verdict = _shape_fault(claims)
    if verdict is None and not claims.keys() <= _SERVED:
        verdict = Verdict.UNSUPPORTED
    verdict = verdict or _content_fault(claims)
    if verdict is None and not claims["obj"].startswith(f"/{bucket}/blobs/"):
        verdict = Verdict.BAD_OBJECT
    verdict = verdict or _condition_fault(claims, now, address, cookie)
    if verdict is not None:
        return verdict, None
    del claims["aud"]
    return (Verdict.EXPIRED if claims["exp"] <= now else Verdict.OK), Ticket(**claims)


def _shape_fault(claims: dict[str, Any]) -> Verdict | None:
    texts = ("aud", "obj", "fn", "ct", "back")
    if not claims.keys() >= _REQUIRED or not all(isinstance(claims[name], str) for name in texts):
        return Verdict.MALFORMED
    numbers = (claims["exp"], claims["iat"], claims["ep"])
    if not all(type(number) is int and 0 <= number <= _LARGEST_NUMBER for number in numbers):
        return Verdict.MALFORMED
    if claims["dp"] not in ("inline", "attachment"):
        return Verdict.MALFORMED
    for name, pattern in (("ip", _ADDRESS), ("ck", _HASH)):
        if name in claims:
            value = claims[name]
            if not isinstance(value, str) or not pattern.fullmatch(value):
                return Verdict.MALFORMED
    return None


def _content_fault(claims: dict[str, Any]) -> Verdict | None:
    if claims["aud"] != AUDIENCE:
        return Verdict.WRONG_AUDIENCE
    if not _OBJECT.fullmatch(claims["obj"]):
        return Verdict.BAD_OBJECT
    name, back = claims["fn"], claims["back"]
    sound = (
        0 < _size(name) <= _LONGEST_TEXT
        and not _CONTROL.search(name)
        and _TYPE.fullmatch(claims["ct"])
        and _size(back) <= _LONGEST_TEXT
        and _BACK.fullmatch(back)
    )
    return None if sound else Verdict.BAD_TEXT


def _condition_fault(
    claims: dict[str, Any], now: float, address: str, cookie: str
) -> Verdict | None:
    if claims["iat"] > now + CLOCK_SKEW_SECONDS:
        return Verdict.NOT_YET
    if "ip" in claims and claims["ip"] != address:
        return Verdict.WRONG_ADDRESS
    if "ck" in claims and (not cookie or claims["ck"] != cookie_hash(cookie)):
        return Verdict.WRONG_COOKIE
    return None


def _size(text: str) -> int:
    """Bytes in UTF-8; 0, which no text may have, where it can't be written in UTF-8."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def _decode_part(part: str) -> bytes | None:
    """Only the canonical spelling of the bytes: two tokens that differ are never the same one."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        return None
    return raw if encode_part(raw) == part else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _number(text: str) -> int | float:
    """As JavaScript has it, where 1e3 and 1000 are the same number."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _decode_object(raw: bytes) -> dict[str, Any] | None:
    try:
        text = raw.decode()
        if _SURROGATE_ESCAPE.search(text):
            return None
        found = json.loads(text, parse_float=_number, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
