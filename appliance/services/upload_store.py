"""What an upload asks of the object store: URLs for its parts, a look at them, a place to begin.

Nothing here decides what becomes of an upload; upload_steps.py does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.domain import chunking, parts
from appliance.domain.upload_states import State
from appliance.objects import keys
from appliance.objects.control import ObjectControl, StoredPart
from appliance.objects.errors import NoSuchUpload
from appliance.objects.presign import Presigner
from appliance.store import uploads as rows
from appliance.store.pools import Connection, Stores
from appliance.store.uploads import UploadRow
from appliance.wire.uploads import PartUrl

__all__ = [
    "Checked",
    "Observe",
    "arrived_singles",
    "check",
    "list_all",
    "list_many",
    "list_some",
    "nothing",
    "open_reserved",
    "sign_urls",
]

Observe = Callable[[str], None]
_AT_ONCE = 16  # calls to the store for one request


def nothing(step: str) -> None:
    """Watches no step."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Listed parts against the plan: number -> ETag of what is right, number -> what is wrong."""

    right: dict[int, str]
    wrong: dict[int, str]


def sign_urls(
    presigner: Presigner,
    row: UploadRow,
    numbers: Iterable[int],
    now: datetime,
    lifetime: timedelta,
) -> tuple[PartUrl, ...]:
    """The row must say before this that URLs live until now + lifetime: its tombstone does."""
    expires_at = now + lifetime
    found: list[PartUrl] = []
    for number in numbers:
        chunk = chunking.chunk_at(row.chunk_list, number)
        if row.method == parts.Method.SINGLE.value:
            put = presigner.put_url(
                row.object_key, chunk.sha256, chunk.length, now=now, expires=lifetime
            )
        else:
            assert row.s3_upload_id is not None
            put = presigner.part_url(
                row.object_key,
                row.s3_upload_id,
                number,
                chunk.sha256,
                chunk.length,
                now=now,
                expires=lifetime,
            )
        found.append(PartUrl(part=number, url=put.url, headers=put.headers, expires_at=expires_at))
    return tuple(found)


def check(row: UploadRow, listed: Iterable[StoredPart]) -> Checked:
    """The store refused other bytes as they came, so a fault here is the store's own."""
    chunks = chunking.unpack(row.chunk_list)
    right: dict[int, str] = {}
    wrong: dict[int, str] = {}
    for part in listed:
        if not 1 <= part.number <= len(chunks):
            continue
        chunk = chunks[part.number - 1]
        if part.size != chunk.length:
            wrong[part.number] = f"the store has {part.size} bytes of {chunk.length}"
        elif part.sha256 is not None and part.sha256 != chunk.sha256:
            wrong[part.number] = "the store has other bytes"
        elif part.ambiguous:
            wrong[part.number] = "the store has this part twice, with different bytes"
        else:
            right[part.number] = part.etag
    return Checked(right, wrong)


async def list_some(control: ObjectControl, row: UploadRow, numbers: Iterable[int]) -> Checked:
    """By a few listings of the ranges that hold these numbers; others in them are seen too."""
    if row.method == parts.Method.SINGLE.value:
        found = [o for o in await control.list_prefix(row.object_key) if o.key == row.object_key]
        if not found:
            return Checked({}, {})
        if found[0].size != row.size:
            return Checked({}, {1: f"the store has {found[0].size} bytes of {row.size}"})
        return Checked({1: found[0].etag}, {})
    assert row.s3_upload_id is not None
    seen = Checked({}, {})
    for first, last in parts.listings(n for n in numbers if n <= row.chunk_count):
        try:
            listed = await control.list_parts(row.object_key, row.s3_upload_id, first, last)
        except NoSuchUpload:
            return Checked({}, {})
        found_here = check(row, listed)
        seen = Checked(seen.right | found_here.right, seen.wrong | found_here.wrong)
    return seen


async def arrived_singles(
    control: ObjectControl, singles: Sequence[UploadRow]
) -> tuple[set[int], set[int]]:
    """Ids of uploads whose object is there at its full size, and at another size.

    Members of a batch share a prefix and are seen by one LIST; a lone one by HEAD.
    """
    batches: dict[str, list[UploadRow]] = {}
    for row in singles:
        batches.setdefault(row.object_key.rpartition("/")[0] + "/", []).append(row)
    gate = asyncio.Semaphore(_AT_ONCE)
    sizes: dict[str, int] = {}

    async def look(prefix: str, members: Sequence[UploadRow]) -> None:
        async with gate:
            if len(members) > 1 and prefix.count("/") > keys.space_prefix(1).count("/"):
                sizes.update({o.key: o.size for o in await control.list_prefix(prefix)})
                return
        for row in members:
            async with gate:
                size = await control.head(row.object_key)
            if size is not None:
                sizes[row.object_key] = size

    await asyncio.gather(*(look(prefix, members) for prefix, members in batches.items()))
    there = [row for row in singles if row.object_key in sizes]
    right = {row.upload_id for row in there if sizes[row.object_key] == row.size}
    return right, {row.upload_id for row in there} - right


async def list_many(
    control: ObjectControl, found: Sequence[UploadRow]
) -> dict[int, dict[int, str]]:
    """What the store has of each upload: multipart ones once in full, batches by one LIST."""
    singles = [row for row in found if row.method == parts.Method.SINGLE.value]
    multipart = [row for row in found if row.method == parts.Method.MULTIPART.value]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def look(row: UploadRow) -> tuple[int, dict[int, str]]:
        async with gate:
            return row.upload_id, (await list_all(control, row)).right

    arrived, _ = await arrived_singles(control, singles)
    seen = dict(await asyncio.gather(*map(look, multipart)))
    return seen | {row.upload_id: {1: ""} if row.upload_id in arrived else {} for row in singles}


async def list_all(control: ObjectControl, row: UploadRow) -> Checked:
    """Everything that the store has of the upload, once in full; nothing when it is gone."""
    if row.method == parts.Method.SINGLE.value:
        size = await control.head(row.object_key)
        if size is None:
            return Checked({}, {})
        if size != row.size:
            return Checked({}, {1: f"the store has {size} bytes of {row.size}"})
        return Checked({1: ""}, {})
    if row.s3_upload_id is None:
        return Checked({}, {})
    try:
        return check(row, await control.list_parts(row.object_key, row.s3_upload_id))
    except NoSuchUpload:
        return Checked({}, {})


async def open_reserved(
    stores: Stores, control: ObjectControl, observe: Observe, reserved: Sequence[UploadRow]
) -> None:
    """CreateMultipartUpload for rows in `reserved`, all at once, recorded in one statement.

    Of two that open the same upload the first recorded wins, and the other's is aborted. A crash
    in between leaves an upload that no row names; the tombstone's purge aborts all of its key.
    """
    pending = [row for row in reserved if row.state == State.RESERVED.value]
    if not pending:
        return
    gate = asyncio.Semaphore(_AT_ONCE)
    created: dict[int, str] = {}

    async def create(row: UploadRow) -> None:
        async with gate:
            created[row.upload_id] = await control.create_multipart(row.object_key)

    outcomes = await asyncio.gather(*map(create, pending), return_exceptions=True)
    observe("multipart-created")
    space_id = pending[0].space_id

    async def record(conn: Connection) -> set[int]:
        return await rows.open_many(conn, space_id, created)

    won = await stores.run(space_id, record) if created else set()
    observe("multipart-recorded")
    for row in pending:
        if row.upload_id in created and row.upload_id not in won:
            await _drop_unless_ours(stores, control, row, created[row.upload_id])
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _drop_unless_ours(
    stores: Stores, control: ObjectControl, row: UploadRow, s3_upload_id: str
) -> None:
    """Not when a repeated transaction (its first answer was lost) had recorded this very id."""

    async def load(conn: Connection) -> list[UploadRow]:
        return await rows.uploads_by_ids(conn, row.space_id, [row.upload_id])

    found = await stores.run(row.space_id, load)
    if not found or found[0].s3_upload_id != s3_upload_id:
        await control.abort(row.object_key, s3_upload_id)
