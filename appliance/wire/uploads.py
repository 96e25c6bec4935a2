"""Upload, then commit (docs/reference/upload-protocol.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from .fields import (
    Answer,
    Class,
    Etag,
    Id,
    Length,
    Mode,
    Name,
    Nanoseconds,
    PartNumber,
    Request,
    Sha256,
    Target,
)

__all__ = [
    "Begin",
    "BeginOutcome",
    "BeginUpload",
    "Begun",
    "ChunkSpec",
    "Commit",
    "CommitOutcome",
    "CommitTarget",
    "Committed",
    "Complete",
    "CompleteOutcome",
    "Completed",
    "CurrentState",
    "PartUrl",
    "PartUrls",
    "RecordParts",
    "Recorded",
    "RecordedPart",
    "RefusedPart",
    "SignParts",
    "Upload",
    "UploadChunk",
    "UploadChunks",
    "Uploads",
]  # fmt: skip


class ChunkSpec(Request, frozen=True, kw_only=True):
    length: Length
    sha256: Sha256


class BeginUpload(Request, frozen=True, kw_only=True):
    size: Length
    chunk_class: Class = 0
    chunks: Annotated[list[ChunkSpec], Meta(max_length=10_000)]
    sha256: Sha256 | None = None
    """Of the whole file; declared until a scrub confirms it."""
    fingerprint: Sha256 | None = None
    """Checked against the chunk list when present."""


class Begin(Request, frozen=True, kw_only=True):
    uploads: Annotated[list[BeginUpload], Meta(min_length=1, max_length=1000)]


class PartUrl(Answer, frozen=True, kw_only=True):
    part: int
    url: str
    headers: dict[str, str]
    """To be sent exactly so: they are signed."""
    expires_at: datetime


class UploadChunk(Answer, frozen=True, kw_only=True):
    part: int
    length: int
    sha256: str
    status: Literal["missing", "uploaded"]


class Upload(Answer, frozen=True, kw_only=True):
    id: str
    """Also the id of the blob that it becomes."""
    state: Literal["reserved", "uploading", "completing", "uploaded", "aborting", "purged"]
    method: Literal["single", "multipart"]
    size: int
    chunk_class: int
    fingerprint: str
    sha256: str | None
    parts: int
    missing: list[int]
    """Part numbers that the store has not confirmed; empty once uploaded."""
    created_at: datetime
    active_at: datetime
    expires_at: datetime


class BeginOutcome(Answer, frozen=True, kw_only=True):
    status: Literal["known", "resume", "new", "empty", "error"]
    """empty: a file of no bytes has no upload; commit it with upload null."""
    upload: Upload | None = None
    """Of known: the upload that became the blob; its id is what a commit takes."""
    urls: tuple[PartUrl, ...] = ()
    """For the first missing parts; ask for more as they are needed."""
    code: str | None = None
    detail: str | None = None


class Begun(Answer, frozen=True, kw_only=True):
    items: list[BeginOutcome]
    server_time: datetime


class SignParts(Request, frozen=True, kw_only=True):
    parts: Annotated[list[PartNumber], Meta(min_length=1, max_length=1000)]


class PartUrls(Answer, frozen=True, kw_only=True):
    urls: list[PartUrl]
    server_time: datetime


class RecordedPart(Request, frozen=True, kw_only=True):
    part: PartNumber
    etag: Etag


class RecordParts(Request, frozen=True, kw_only=True):
    parts: Annotated[list[RecordedPart], Meta(min_length=1, max_length=1000)]


class RefusedPart(Answer, frozen=True, kw_only=True):
    part: int
    code: str
    detail: str


class Recorded(Answer, frozen=True, kw_only=True):
    recorded: list[int]
    refused: list[RefusedPart]


class Complete(Request, frozen=True, kw_only=True):
    uploads: Annotated[list[Id], Meta(min_length=1, max_length=1000)]


class CompleteOutcome(Answer, frozen=True, kw_only=True):
    id: str
    upload: Upload | None = None
    code: str | None = None
    detail: str | None = None


class Completed(Answer, frozen=True, kw_only=True):
    items: list[CompleteOutcome]


class UploadChunks(Answer, frozen=True, kw_only=True):
    items: list[UploadChunk]


class Uploads(Answer, frozen=True, kw_only=True):
    items: list[Upload]
    next: str | None


class CommitTarget(Request, frozen=True, kw_only=True):
    """One name and what it shall hold.

    file: `upload` (an uploaded, known or single-part upload whose bytes have arrived; None is the
    empty file) and `base`, the version it replaces (None: the name must be free).
    folder: made, or found if it is there already. link: `target`.
    """

    kind: Literal["file", "folder", "link"]
    parent: Id
    name: Name
    upload: Id | None = None
    base: Id | None = None
    target: Target | None = None
    mtime_ns: Nanoseconds = 0
    mode: Mode = 0o644


class Commit(Request, frozen=True, kw_only=True):
    targets: Annotated[list[CommitTarget], Meta(min_length=1, max_length=1000)]


class CommitOutcome(Answer, frozen=True, kw_only=True):
    status: Literal["created", "version", "unchanged", "exists", "conflict", "error"]
    node: str | None = None
    version: str | None = None
    rev: int | None = None
    code: str | None = None
    detail: str | None = None
    current: CurrentState | None = None
    """With conflict: what the name holds now."""


class CurrentState(Answer, frozen=True, kw_only=True):
    node: str
    kind: str
    version: str | None
    rev: int
    size: int


class Committed(Answer, frozen=True, kw_only=True):
    seq: int
    items: list[CommitOutcome]
