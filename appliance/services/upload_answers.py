"""What callers are told of an upload, and the problems that name parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, cast

from appliance.domain import chunking, ids, parts
from appliance.domain.errors import NotFound, PartMismatch, PartMissing
from appliance.domain.upload_states import State
from appliance.store.blobs import BlobRow
from appliance.store.uploads import UploadRow
from appliance.wire import uploads as wire

__all__ = [
    "blob_answer",
    "chunk_answers",
    "gaps",
    "lies",
    "missing_numbers",
    "no_upload",
    "upload_answer",
]

_WITHOUT_GAPS = frozenset({State.COMPLETING.value, State.UPLOADED.value})


def no_upload() -> NotFound:
    """For what doesn't exist and for what is another user's alike."""
    return NotFound("There is no upload with this id.")


def gaps(numbers: Iterable[int]) -> PartMissing:
    ranges = parts.runs(numbers)
    return PartMissing(
        f"The store doesn't have part {_named(ranges)} of this upload yet.",
        extra={"parts": [list(run) for run in ranges]},
    )


def lies(numbers: Iterable[int]) -> PartMismatch:
    ranges = parts.runs(numbers)
    return PartMismatch(
        f"The store holds something else for part {_named(ranges)}; send it again.",
        extra={"parts": [list(run) for run in ranges]},
    )


def _named(ranges: list[tuple[int, int]]) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:20]]
    return ", ".join(shown) + (" and others" if len(ranges) > 20 else "")


def missing_numbers(row: UploadRow, recorded: Collection[int]) -> list[int]:
    if row.state in _WITHOUT_GAPS:
        return []
    return [number for number in range(1, row.chunk_count + 1) if number not in recorded]


def upload_answer(row: UploadRow, recorded: Collection[int], idle_seconds: int) -> wire.Upload:
    return wire.Upload(
        id=ids.encode("u", row.space_id, row.upload_id),
        state=cast(Any, row.state),
        method=cast(Any, row.method),
        size=row.size,
        chunk_class=row.chunk_class,
        fingerprint=row.fingerprint.hex(),
        sha256=None if row.sha256 is None else row.sha256.hex(),
        parts=row.chunk_count,
        missing=missing_numbers(row, recorded),
        created_at=row.created_at,
        active_at=row.active_at,
        expires_at=row.active_at + timedelta(seconds=idle_seconds),
    )


def blob_answer(blob: BlobRow) -> wire.Upload:
    """The upload that became the blob; its own row may be long gone."""
    chunks = chunking.unpack(blob.chunk_list)
    return wire.Upload(
        id=ids.encode("u", blob.space_id, blob.blob_id),
        state="uploaded",
        method=cast(Any, parts.method_of(chunks).value),
        size=blob.raw_size,
        chunk_class=blob.chunk_class,
        fingerprint=blob.fingerprint.hex(),
        sha256=None if blob.sha256 is None else blob.sha256.hex(),
        parts=len(chunks),
        missing=[],
        created_at=blob.created_at,
        active_at=blob.created_at,
        expires_at=blob.fresh_until,
    )


def chunk_answers(row: UploadRow, recorded: Collection[int]) -> list[wire.UploadChunk]:
    lacking = frozenset(missing_numbers(row, recorded))
    return [
        wire.UploadChunk(
            part=number,
            length=chunk.length,
            sha256=chunk.sha256.hex(),
            status="missing" if number in lacking else "uploaded",
        )
        for number, chunk in enumerate(chunking.unpack(row.chunk_list), 1)
    ]
