"""One item of a batch of uploads: as it was asked for, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from appliance.domain import chunking, parts
from appliance.domain.errors import InvalidChunkList, NotFound, Problem
from appliance.store.blobs import BlobRow
from appliance.store.uploads import UploadRow
from appliance.wire.uploads import BeginUpload

__all__ = ["Placed", "Wanted", "parse", "recall", "remember"]

Status = Literal["known", "resume", "new", "empty", "error"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One asked-for upload whose chunk list has been checked, and is kept as it is stored."""

    chunk_list: bytes
    chunk_count: int
    method: parts.Method
    chunk_class: int
    size: int
    sha256: bytes | None
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of one item of the batch; at most one of row, blob and problem is set."""

    status: Status
    row: UploadRow | None = None
    blob: BlobRow | None = None
    code: str | None = None
    detail: str | None = None

    @classmethod
    def failed(cls, problem: Problem) -> Placed:
        return cls("error", code=problem.code, detail=problem.detail)


def parse(asked: BeginUpload) -> Wanted:
    """Raises InvalidChunkList for a list that doesn't describe such a file."""
    chunks = tuple(chunking.Chunk(c.length, bytes.fromhex(c.sha256)) for c in asked.chunks)
    chunking.check_chunks(asked.size, asked.chunk_class, chunks)
    fingerprint = chunking.fingerprint(asked.chunk_class, chunks)
    if asked.fingerprint is not None and asked.fingerprint != fingerprint.hex():
        raise InvalidChunkList("The fingerprint isn't the one of this chunk list.")
    sha256 = None if asked.sha256 is None else bytes.fromhex(asked.sha256)
    if sha256 is not None and len(chunks) == 1 and sha256 != chunks[0].sha256:
        raise InvalidChunkList("The file is one chunk, but their SHA-256 differ.")
    return Wanted(
        chunk_list=chunking.pack(chunks),
        chunk_count=len(chunks),
        method=parts.method_of(chunks),
        chunk_class=asked.chunk_class,
        size=asked.size,
        sha256=sha256,
        fingerprint=fingerprint,
    )


def remember(placed: Placed) -> dict[str, Any]:
    """JSON for the row of the Idempotency-Key."""
    upload_id = placed.row.upload_id if placed.row is not None else None
    if placed.blob is not None:
        upload_id = placed.blob.blob_id
    return {
        "status": placed.status,
        "upload": upload_id,
        "code": placed.code,
        "detail": placed.detail,
    }


def recall(entry: dict[str, Any], found: dict[int, UploadRow], live: dict[int, BlobRow]) -> Placed:
    upload_id = entry["upload"]
    if upload_id is None:
        return Placed(entry["status"], code=entry["code"], detail=entry["detail"])
    if upload_id in live:
        return Placed("known", blob=live[upload_id])
    if upload_id in found:
        return Placed(entry["status"], row=found[upload_id])
    return Placed.failed(NotFound("The upload is no longer kept; begin it again."))
