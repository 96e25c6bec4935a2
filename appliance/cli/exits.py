"""Exit codes: an interface. Derived from a problem's code here and nowhere else.

Documented in docs/reference/exit-codes.md, which a test compares with this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.domain.errors import Problem

__all__ = [
    "BY_CODE",
    "INTERNAL",
    "INTERRUPTED",
    "MEANINGS",
    "OK",
    "PARTIAL",
    "USAGE",
    "first_problem",
    "of",
    "of_run",
]

OK = 0
INTERNAL = 1
USAGE = 2
PARTIAL = 3
NOT_FOUND = 4
SIGN_IN = 5
REFUSED = 6
CONFLICT = 7
QUOTA = 8
UNAVAILABLE = 9
INVALID = 10
LOCAL = 11
INTEGRITY = 12
INTERRUPTED = 130

MEANINGS: dict[int, str] = {
    OK: "Done.",
    INTERNAL: "Something unexpected; the message has a request id for the server's log.",
    USAGE: "The command line makes no sense.",
    PARTIAL: "Some of it failed and was listed; the rest is done. Run it again for what is left.",
    NOT_FOUND: "There is nothing at that path or with that id.",
    SIGN_IN: "Not signed in, or the password or token isn't accepted.",
    REFUSED: "Not allowed, or the account is suspended.",
    CONFLICT: "It has changed in the meantime, or the name is taken; nothing was overwritten.",
    QUOTA: "The quota has no room left.",
    UNAVAILABLE: "The server or the store can't be reached; running it again resumes.",
    INVALID: "The server can't store that: a name, a kind of file, a request.",
    LOCAL: "This machine refused: a file that changed or can't be read, a full disk.",
    INTEGRITY: "Stored bytes failed a check.",
    INTERRUPTED: "Interrupted by Ctrl-C; running it again resumes.",
}

BY_CODE: dict[str, int] = {
    "internal": INTERNAL,
    "not-found": NOT_FOUND,
    "version-gone": NOT_FOUND,
    "unauthorized": SIGN_IN,
    "not-signed-in": SIGN_IN,
    "too-many-attempts": SIGN_IN,
    "forbidden": REFUSED,
    "suspended": REFUSED,
    "method-not-allowed": INTERNAL,
    "protocol": INTERNAL,
    "bad-request": INVALID,
    "invalid-body": INVALID,
    "invalid-name": INVALID,
    "invalid-chunk-list": INVALID,
    "invalid-cursor": INVALID,
    "body-too-large": INVALID,
    "tree-too-large": INVALID,
    "not-stored": INVALID,
    "conflict": CONFLICT,
    "cycle": CONFLICT,
    "name-taken": CONFLICT,
    "not-empty": CONFLICT,
    "parent-trashed": CONFLICT,
    "upload-state": CONFLICT,
    "idempotency-mismatch": CONFLICT,
    "in-the-way": CONFLICT,
    "part-missing": INTEGRITY,
    "part-mismatch": INTEGRITY,
    "blob-quarantined": INTEGRITY,
    "chunk-mismatch": INTEGRITY,
    "quota-exceeded": QUOTA,
    "unavailable": UNAVAILABLE,
    "store-unavailable": UNAVAILABLE,
    "store-full": UNAVAILABLE,
    "database-unavailable": UNAVAILABLE,
    "unreachable": UNAVAILABLE,
    "certificate-refused": UNAVAILABLE,
    "file-changed": LOCAL,
    "local-fault": LOCAL,
    "disk-full": LOCAL,
}


def of(code: str) -> int:
    return BY_CODE.get(code, INTERNAL)


def of_run(failed: Sequence[Problem], done: int) -> int:
    """Of a run over many things. Nothing done and one reason for all: that reason's code."""
    if not failed:
        return OK
    codes = {of(problem.code) for problem in failed}
    return codes.pop() if not done and len(codes) == 1 else PARTIAL


def first_problem(error: BaseException) -> Problem | None:
    """A problem inside what task groups wrap around it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BaseExceptionGroup):
        inner: Iterable[BaseException] = error.exceptions
        return next((found for one in inner if (found := first_problem(one))), None)
    return None
