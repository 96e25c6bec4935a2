"""The problem+json bodies that nginx answers by itself, by name of the template's placeholder.

Codes of the domain keep their meaning; those of the edge alone are listed in
docs/reference/ticket-format.md. Bodies name no inner host and nothing the client didn't send.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from appliance.domain import errors

__all__ = ["ANSWERS", "UPLOAD_ERRORS", "Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    code: str
    title: str
    detail: str = ""

    def body(self) -> str:
        """For a single-quoted nginx string; nginx fills in the variables."""
        fields = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": "$stowbay_request_id",
        }
        return json.dumps(fields, separators=(",", ":")).replace("'", r"\u0027")


def _of(kind: type[errors.Problem], status: int, detail: str = "") -> Answer:
    return Answer(status, kind.code, kind.title, detail)


ANSWERS: dict[str, Answer] = {
    "bad_request": _of(errors.BadRequest, 400, "The request line or a header can't be read."),
    "body_too_large": _of(errors.TooLarge, 413, "A request body has at most 8 MiB."),
    "too_many_attempts": _of(errors.TooManyAttempts, 429),
    "unavailable": _of(errors.Unavailable, 503),
    "not_found": _of(errors.NotFound, 404),
    "method_not_allowed": _of(errors.MethodNotAllowed, 405, "GET and HEAD only."),
    "store_unavailable": _of(errors.StoreUnavailable, 503),
    "upload_refused": Answer(
        403,
        "upload-url-refused",
        "This isn't an upload URL",
        "Only PUT on a signed URL of an upload passes here.",
    ),
    "length_required": Answer(
        411, "length-required", "The length must be told", "Send Content-Length."
    ),
    "range_not_satisfiable": Answer(
        416, "range-not-satisfiable", "The range lies outside the file"
    ),
    "ticket_refused": Answer(
        403,
        "ticket-$ticket_answer",
        "This download ticket doesn't open the file",
        "Ask the stable URL for a new one.",
    ),
}

# What the store's status on an upload means; its own bodies stay inside.
UPLOAD_ERRORS: dict[int, Answer] = {
    400: Answer(
        400,
        "upload-bytes-refused",
        "The bytes aren't those that were announced",
        "Length or SHA-256 differ from what the URL was signed for.",
    ),
    403: Answer(
        403,
        "upload-url-refused",
        "The upload URL isn't valid",
        "It has expired or was altered, or its headers weren't sent. Ask for a new one.",
    ),
    404: Answer(404, "upload-gone", "The upload is over", "It was completed or aborted."),
    409: Answer(409, "upload-conflict", "Another write of this object is under way"),
    411: ANSWERS["length_required"],
    412: Answer(412, "object-exists", "The object has been written already"),
    413: _of(errors.TooLarge, 413),
    429: Answer(
        429,
        "upload-repeated",
        "This part was sent too often",
        "The same part of an upload may be sent a few times a minute.",
    ),
    503: ANSWERS["store_unavailable"],
    507: _of(errors.StoreFull, 507),
}
