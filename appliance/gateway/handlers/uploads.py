"""Uploads and commits: docs/reference/upload-protocol.md."""

from __future__ import annotations

from appliance.gateway.call import Call
from appliance.gateway.queries import NoQuery, Page
from appliance.services.written import Written
from appliance.wire.uploads import (
    Begin,
    Begun,
    Commit,
    Committed,
    Complete,
    Completed,
    PartUrls,
    Recorded,
    RecordParts,
    SignParts,
    Upload,
    UploadChunks,
    Uploads,
)

__all__ = [
    "abort", "begin", "chunks", "commit", "complete", "complete_many", "list_open", "record",
    "sign", "upload",
]  # fmt: skip


async def begin(call: Call[NoQuery, Begin]) -> Begun:
    return await call.services.uploads.begin(
        call.caller, call.path("space"), call.body, call.idempotency_key
    )


async def list_open(call: Call[Page, None]) -> Uploads:
    query = call.query
    return await call.services.uploads.list(
        call.caller, call.path("space"), query.after, query.limit
    )


async def upload(call: Call[NoQuery, None]) -> Upload:
    return await call.services.uploads.get(call.caller, call.path("upload"))


async def chunks(call: Call[NoQuery, None]) -> UploadChunks:
    return await call.services.uploads.chunks(call.caller, call.path("upload"))


async def sign(call: Call[NoQuery, SignParts]) -> PartUrls:
    return await call.services.uploads.sign(call.caller, call.path("upload"), call.body)


async def record(call: Call[NoQuery, RecordParts]) -> Recorded:
    return await call.services.uploads.record(call.caller, call.path("upload"), call.body)


async def complete(call: Call[NoQuery, None]) -> Upload:
    return await call.services.completion.complete(call.caller, call.path("upload"))


async def complete_many(call: Call[NoQuery, Complete]) -> Completed:
    return await call.services.completion.complete_many(call.caller, call.path("space"), call.body)


async def abort(call: Call[NoQuery, None]) -> Upload:
    return await call.services.completion.abort(call.caller, call.path("upload"))


async def commit(call: Call[NoQuery, Commit]) -> Written[Committed]:
    return await call.services.commits.commit(
        call.caller, call.path("space"), call.body, call.idempotency_key
    )
