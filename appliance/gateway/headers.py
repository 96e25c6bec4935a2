"""Request headers, parsed to values or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address

from multidict import MultiMapping

from appliance.domain.errors import BadRequest, Unauthorized
from appliance.domain.tickets import BIND_COOKIE

__all__ = [
    "SEQ", "bearer", "bind_cookie", "client_address", "idempotency_key", "min_seq", "request_id",
    "wants_json",
]  # fmt: skip

SEQ = "Stowbay-Seq"
MAX_SEQ = (1 << 63) - 1

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_VISIBLE = re.compile(r"[!-~]{1,200}")
_BIND = re.compile(r"[A-Za-z0-9_-]{16,256}")
_DIGITS = re.compile(r"[0-9]{1,19}")


def request_id(headers: Mapping[str, str]) -> str | None:
    """nginx makes one for each request; one that could break a log line is as good as none."""
    given = headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


def bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Send the session's token: Authorization: Bearer sbt_...")
    return token.strip()


def min_seq(headers: Mapping[str, str]) -> int | None:
    """The highest seq of the space that the caller has seen: answers are no older than it."""
    given = headers.get(SEQ)
    if given is None:
        return None
    if not _DIGITS.fullmatch(given) or int(given) > MAX_SEQ:
        raise BadRequest(f"{SEQ} is a whole number, as an answer gave it.")
    return int(given)


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    given = headers.get("Idempotency-Key")
    if given is not None and not _VISIBLE.fullmatch(given):
        raise BadRequest("An Idempotency-Key is 1 to 200 visible ASCII characters.")
    return given


def client_address(headers: MultiMapping[str], peer: str | None) -> str:
    """As nginx writes $remote_addr: it sets X-Forwarded-For anew, so there is one value, its own.

    Kept letter for letter, as the edge compares text.
    """
    given = headers.getall("X-Forwarded-For", [peer or ""])
    try:
        (address,) = given
        ip_address(address)
    except ValueError:
        raise BadRequest("The request's address isn't one that a ticket can be bound to.") from None
    return address


def bind_cookie(headers: MultiMapping[str]) -> str:
    """The cookie's value, if the edge will read the same from the same headers.

    nginx compares names whatever their case and takes the first, so twins are refused. A ticket
    shows the value's hash to whoever holds it, so a value that could be guessed is refused too.
    """
    pairs = [
        pair.lstrip(" ").partition("=")
        for header in headers.getall("Cookie", [])
        for pair in header.split(";")
    ]
    found = [value for name, _, value in pairs if name.rstrip(" ").lower() == BIND_COOKIE]
    if not found:
        raise BadRequest(f"A ticket bound to a cookie needs the cookie {BIND_COOKIE}.")
    if len(found) > 1 or not _BIND.fullmatch(found[0]):
        raise BadRequest(
            f"The cookie {BIND_COOKIE} is sent once, as 16 to 256 letters, digits, - and _."
        )
    return found[0]


def wants_json(headers: Mapping[str, str]) -> bool:
    return "application/json" in headers.get("Accept", "").lower()
