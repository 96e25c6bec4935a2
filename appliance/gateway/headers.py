"""Request headers, parsed to values or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from appliance.domain.errors import BadRequest, Unauthorized

__all__ = ["SEQ", "bearer", "idempotency_key", "min_seq", "request_id", "wants_json"]

SEQ = "Stowbay-Seq"
MAX_SEQ = (1 << 63) - 1

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_VISIBLE = re.compile(r"[!-~]{1,200}")
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


def wants_json(headers: Mapping[str, str]) -> bool:
    return "application/json" in headers.get("Accept", "").lower()
