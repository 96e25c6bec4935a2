"""Failures as answers: RFC 9457 problem+json. The one place where a code becomes an HTTP status.

Whatever isn't a Problem is `internal`: its text stays in the log, under the request id that the
answer carries.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from appliance.domain.errors import Problem

__all__ = ["CONTENT_TYPE", "STATUS", "ProblemBody", "answer", "status_of", "type_of"]

CONTENT_TYPE = "application/problem+json"

STATUS: dict[str, int] = {
    "internal": 500,
    "not-found": 404,
    "unauthorized": 401,
    "forbidden": 403,
    "suspended": 403,
    "method-not-allowed": 405,
    "bad-request": 400,
    "invalid-body": 400,
    "invalid-name": 400,
    "invalid-chunk-list": 400,
    "invalid-cursor": 400,
    "body-too-large": 413,
    "tree-too-large": 413,
    "conflict": 409,
    "cycle": 409,
    "name-taken": 409,
    "not-empty": 409,
    "parent-trashed": 409,
    "upload-state": 409,
    "part-missing": 409,
    "part-mismatch": 409,
    "idempotency-mismatch": 409,
    "version-gone": 409,
    "blob-quarantined": 409,
    "quota-exceeded": 409,  # not 507: it passes when the user makes room, not when we do
    "too-many-attempts": 429,
    "unavailable": 503,
    "store-unavailable": 503,
    "store-full": 503,
    "database-unavailable": 503,
}

_RETRY_AFTER = 2.0  # seconds, for an Unavailable that names no time
_encode = msgspec.json.Encoder(enc_hook=repr).encode


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """Further members depend on the code (docs/reference/errors.md)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str


def status_of(code: str) -> int:
    return STATUS.get(code, 500)


def type_of(code: str) -> str:
    return f"urn:stowbay:problem:{code}"


def answer(problem: Problem, request_id: str) -> web.Response:
    status = status_of(problem.code)
    hidden = status == 500
    body: dict[str, Any] = {
        **({} if hidden else problem.extra),
        "type": type_of(problem.code),
        "title": problem.title,
        "status": status,
        "code": problem.code,
        "detail": "" if hidden else problem.detail,
        "request_id": request_id,
    }
    headers = CIMultiDict({"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
    if status in (429, 503):
        wait = problem.retry_after if problem.retry_after is not None else _RETRY_AFTER
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="stowbay"'
    return web.Response(status=status, body=_encode(body), headers=headers)
