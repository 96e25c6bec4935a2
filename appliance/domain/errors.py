"""Every way a request can fail, under one root, with codes that never change.

    Problem                      internal
    ├── NotFound                 not-found            also: exists, but not for you
    ├── Unauthorized             unauthorized
    ├── Forbidden                forbidden
    ├── Suspended                suspended
    ├── MethodNotAllowed         method-not-allowed
    ├── BadRequest               bad-request
    │   ├── InvalidBody          invalid-body
    │   ├── InvalidName          invalid-name
    │   ├── InvalidChunkList     invalid-chunk-list
    │   └── InvalidCursor        invalid-cursor
    ├── TooLarge                 body-too-large
    │   └── TreeTooLarge         tree-too-large
    ├── Conflict                 conflict             extra["current"]: what is there now
    │   ├── Cycle                cycle
    │   ├── NameTaken            name-taken
    │   ├── NotEmpty             not-empty
    │   ├── ParentTrashed        parent-trashed
    │   ├── UploadState          upload-state
    │   ├── PartMissing          part-missing         extra["parts"]: [[first, last], ...]
    │   ├── PartMismatch         part-mismatch        extra["parts"]: [[first, last], ...]
    │   ├── IdempotencyMismatch  idempotency-mismatch
    │   └── VersionGone          version-gone
    ├── BlobQuarantined          blob-quarantined
    ├── QuotaExceeded            quota-exceeded
    ├── TooManyAttempts          too-many-attempts    retry_after
    └── Unavailable              unavailable          retry_after
        ├── StoreUnavailable     store-unavailable
        ├── StoreFull            store-full
        └── DatabaseUnavailable  database-unavailable

A code is an interface: clients branch on it, so a class may be renamed and a code may not. HTTP
statuses and exit codes are derived from codes, each in one place elsewhere; nothing here knows
them. `detail` is written for the person who made the request and names the thing concerned; it
holds no secret, no address of an inner service and no other user's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "ALL",
    "BadRequest",
    "BlobQuarantined",
    "Conflict",
    "Cycle",
    "DatabaseUnavailable",
    "Forbidden",
    "IdempotencyMismatch",
    "InvalidBody",
    "InvalidChunkList",
    "InvalidCursor",
    "InvalidName",
    "MethodNotAllowed",
    "NameTaken",
    "NotEmpty",
    "NotFound",
    "ParentTrashed",
    "PartMismatch",
    "PartMissing",
    "Problem",
    "QuotaExceeded",
    "StoreFull",
    "StoreUnavailable",
    "Suspended",
    "TooLarge",
    "TooManyAttempts",
    "TreeTooLarge",
    "Unauthorized",
    "Unavailable",
    "UploadState",
    "VersionGone",
]


class Problem(Exception):
    """The server's log has the reason, under the answer's `request_id`.

    `extra` is JSON-able and goes into the problem+json body; `retry_after` is in seconds.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on the server"

    def __init__(
        self,
        detail: str = "",
        *,
        extra: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, Any] = dict(extra or {})
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.detail or self.title

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.detail!r}, extra={self.extra!r})"


class NotFound(Problem):
    """Also for what exists and belongs to someone else: the two must look the same."""

    code = "not-found"
    title = "Nothing is there"


class Unauthorized(Problem):
    code = "unauthorized"
    title = "Sign in first"


class Forbidden(Problem):
    """Only for what the asker may see; otherwise NotFound."""

    code = "forbidden"
    title = "Not allowed"


class Suspended(Problem):
    code = "suspended"
    title = "This account is suspended"


class MethodNotAllowed(Problem):
    code = "method-not-allowed"
    title = "This address doesn't take that method"


class BadRequest(Problem):
    code = "bad-request"
    title = "The request makes no sense"


class InvalidBody(BadRequest):
    code = "invalid-body"
    title = "The body isn't what this address takes"


class InvalidName(BadRequest):
    code = "invalid-name"
    title = "This name can't be stored"


class InvalidChunkList(BadRequest):
    code = "invalid-chunk-list"
    title = "The chunk list doesn't describe such a file"


class InvalidCursor(BadRequest):
    code = "invalid-cursor"
    title = "This cursor wasn't made here"


class TooLarge(Problem):
    code = "body-too-large"
    title = "Too large"


class TreeTooLarge(TooLarge):
    code = "tree-too-large"
    title = "The folder holds too many nodes, or would lie too deep"


class Conflict(Problem):
    """What the request is based on is no longer so; nothing was changed."""

    code = "conflict"
    title = "It has changed in the meantime"


class Cycle(Conflict):
    code = "cycle"
    title = "A folder can't be moved into itself"


class NameTaken(Conflict):
    code = "name-taken"
    title = "Something of that name is already there"


class NotEmpty(Conflict):
    code = "not-empty"
    title = "The folder isn't empty"


class ParentTrashed(Conflict):
    code = "parent-trashed"
    title = "The folder it belongs in is in the trash"


class UploadState(Conflict):
    code = "upload-state"
    title = "The upload isn't in a state for that"


class PartMissing(Conflict):
    code = "part-missing"
    title = "Parts are missing"


class PartMismatch(Conflict):
    code = "part-mismatch"
    title = "The store holds something else for these parts"


class IdempotencyMismatch(Conflict):
    code = "idempotency-mismatch"
    title = "This Idempotency-Key belongs to another request"


class VersionGone(Conflict):
    code = "version-gone"
    title = "That version is no longer kept"


class BlobQuarantined(Problem):
    code = "blob-quarantined"
    title = "The stored bytes failed a check and aren't handed out"


class QuotaExceeded(Problem):
    code = "quota-exceeded"
    title = "Not enough space left in the quota"


class TooManyAttempts(Problem):
    code = "too-many-attempts"
    title = "Too many attempts; wait a while"


class Unavailable(Problem):
    """Nothing is wrong with the request: the same one may be sent again after `retry_after`."""

    code = "unavailable"
    title = "The service can't answer just now"


class StoreUnavailable(Unavailable):
    code = "store-unavailable"
    title = "The object store can't be reached just now"


class StoreFull(Unavailable):
    code = "store-full"
    title = "The object store has no room left"


class DatabaseUnavailable(Unavailable):
    code = "database-unavailable"
    title = "The database can't be reached just now"


def _tree(root: type[Problem]) -> list[type[Problem]]:
    return [root, *(found for child in root.__subclasses__() for found in _tree(child))]


ALL: dict[str, type[Problem]] = {kind.code: kind for kind in _tree(Problem)}
