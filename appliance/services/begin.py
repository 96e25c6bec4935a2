"""Known, resume or new: the decision for a batch of uploads, in a constant number of queries.

A new upload is reserved under the space's lock: reservations are rows, and only the lock lets two
batches that come at once see each other's, so that together they can't pass the quota. The same
lock makes two requests for one content find one upload. Nothing is asked of the store here.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from appliance.domain import access, chunking, ids, parts, quota
from appliance.domain.access import Caller, Level
from appliance.domain.errors import (
    IdempotencyMismatch,
    InvalidChunkList,
    NotFound,
    Problem,
    QuotaExceeded,
    TooLarge,
)
from appliance.domain.upload_states import first_state
from appliance.objects import keys
from appliance.settings import Limits
from appliance.store import blobs, idempotency, spaces
from appliance.store import uploads as rows
from appliance.store.blobs import BlobRow
from appliance.store.idempotency import StoredAnswer
from appliance.store.pools import Connection
from appliance.store.spaces import SpaceRow
from appliance.store.uploads import UploadRow
from appliance.wire.uploads import Begin, BeginUpload

from .placed import Placed, Wanted, parse, recall, remember

__all__ = ["Planner"]

_URLS_OPEN = frozenset({"reserved", "uploading"})
_RESUMABLE = frozenset({*_URLS_OPEN, "completing", "uploaded"})


@dataclass(frozen=True, slots=True)
class _Seen:
    space: SpaceRow
    remembered: StoredAnswer | None
    known: dict[bytes, BlobRow]
    open: dict[bytes, UploadRow]
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Writes the rows of one request. `plan` is a whole transaction and may be repeated."""

    ids: ids.IdMaker
    limits: Limits
    random_bytes: Callable[[int], bytes] = secrets.token_bytes

    async def plan(
        self,
        conn: Connection,
        caller: Caller,
        space_id: int,
        request: Begin,
        idempotency_key: str | None,
        now: datetime,
    ) -> list[Placed]:
        """One entry for each asked-for upload.

        Raises NotFound for a space of someone else, TooLarge for too many chunks in all.
        """
        _check_batch(request)
        items = [_parsed(asked) for asked in request.uploads]
        wanted = {item.fingerprint: item for item in items if isinstance(item, Wanted)}
        request_hash = _hash(request) if idempotency_key is not None else b""
        fingerprints = [fp for fp, item in wanted.items() if item.size]

        grace = self.limits.put_grace_seconds

        def look(lock: bool) -> Any:
            return _look(conn, caller, space_id, fingerprints, idempotency_key, now, lock, grace)

        seen: _Seen = await look(lock=idempotency_key is not None)
        if seen.remembered is not None:
            if bytes(seen.remembered.request_hash) != request_hash:
                raise IdempotencyMismatch("This Idempotency-Key was used for another request.")
            return await self._again(conn, caller, space_id, seen.remembered.answer, now)
        fresh, resumed = await self._found(conn, space_id, seen, now)
        if idempotency_key is None and any(
            fp not in fresh and fp not in resumed for fp in fingerprints
        ):
            seen = await look(lock=True)
            fresh, resumed = await self._found(conn, space_id, seen, now)
        places: dict[bytes, Placed] = {fp: Placed("known", blob=b) for fp, b in fresh.items()}
        places |= {fp: Placed("resume", row=row) for fp, row in resumed.items()}
        places |= await self._reserve(
            conn, caller, seen, [wanted[fp] for fp in fingerprints if fp not in places], now
        )
        answer = [_place(item, places) for item in items]
        if idempotency_key is not None:
            await idempotency.keep(
                conn,
                space_id,
                caller.user_id,
                idempotency_key,
                request_hash,
                [remember(placed) for placed in answer],
                now,
            )
        return answer

    async def _found(
        self, conn: Connection, space_id: int, seen: _Seen, now: datetime
    ) -> tuple[dict[bytes, BlobRow], dict[bytes, UploadRow]]:
        """Of what was seen, what still is so: blobs that live on, uploads that aren't undone."""
        fresh = await self._keep(conn, space_id, seen.known, now)
        begun = [row for fp, row in seen.open.items() if fp not in fresh]
        resumed = await self._touch(conn, space_id, begun, now)
        return fresh, {row.fingerprint: row for row in resumed if row.state in _RESUMABLE}

    async def _keep(
        self, conn: Connection, space_id: int, known: dict[bytes, BlobRow], now: datetime
    ) -> dict[bytes, BlobRow]:
        if not known:
            return {}
        until = now + timedelta(seconds=self.limits.fresh_blob_seconds)
        kept = await blobs.keep_fresh(
            conn, space_id, [blob.blob_id for blob in known.values()], now, until
        )
        return {
            fp: blob._replace(fresh_until=max(blob.fresh_until, until))
            for fp, blob in known.items()
            if blob.blob_id in kept
        }

    async def _touch(
        self, conn: Connection, space_id: int, found: Sequence[UploadRow], now: datetime
    ) -> list[UploadRow]:
        """Rows that still take bytes get their URLs' expiry; the others come back as they are."""
        if not found:
            return []
        lifetime = timedelta(seconds=self.limits.part_url_seconds)
        upload_ids = [row.upload_id for row in found]
        touched = await rows.touch(conn, space_id, upload_ids, now, now + lifetime)
        if len(touched) == len(found):
            return touched
        return await rows.uploads_by_ids(conn, space_id, upload_ids)

    async def _reserve(
        self,
        conn: Connection,
        caller: Caller,
        seen: _Seen,
        wanted: Sequence[Wanted],
        now: datetime,
    ) -> dict[bytes, Placed]:
        """First come, first served: what doesn't fit leaves its room to smaller ones behind it."""
        places: dict[bytes, Placed] = {}
        fitting: list[Wanted] = []
        reserved = seen.reserved
        for item in wanted:
            cost = quota.charge(item.size, item.size)
            if quota.fits(seen.space.quota_bytes, seen.space.used_bytes, reserved, cost):
                reserved += cost
                fitting.append(item)
                continue
            places[item.fingerprint] = Placed.failed(
                QuotaExceeded(
                    f"The file needs {cost} bytes; {seen.space.used_bytes} of "
                    f"{seen.space.quota_bytes} are used and {reserved} are reserved."
                )
            )
        if fitting:
            lifetime = timedelta(seconds=self.limits.part_url_seconds)
            space_id = seen.space.space_id
            new = self._new_rows(space_id, fitting)
            written = await rows.insert(conn, space_id, caller.user_id, new, now, now + lifetime)
            places |= {row.fingerprint: Placed("new", row=row) for row in written}
        return places

    def _new_rows(self, space_id: int, wanted: Sequence[Wanted]) -> list[rows.NewUpload]:
        together = [item.method for item in wanted].count(parts.Method.SINGLE) > 1
        prefix = keys.batch_prefix(space_id, self.random_bytes(keys.RANDOM_BYTES))
        found: list[rows.NewUpload] = []
        for upload_id, item in zip(self.ids.batch(len(wanted)), wanted, strict=True):
            if together and item.method is parts.Method.SINGLE:
                key = keys.batch_key(prefix, upload_id)
            else:
                key = keys.single_key(space_id, self.random_bytes(keys.RANDOM_BYTES))
            found.append(
                rows.NewUpload(
                    upload_id=upload_id,
                    fingerprint=item.fingerprint,
                    chunk_class=item.chunk_class,
                    size=item.size,
                    sha256=item.sha256,
                    chunk_list=item.chunk_list,
                    chunk_count=item.chunk_count,
                    method=item.method.value,
                    object_key=key,
                    state=first_state(item.method).value,
                    reserved_bytes=quota.charge(item.size, item.size),
                )
            )
        return found

    async def _again(
        self, conn: Connection, caller: Caller, space_id: int, answer: Any, now: datetime
    ) -> list[Placed]:
        """The remembered ids as they are now; URLs are made anew, never kept."""
        upload_ids = [entry["upload"] for entry in answer if entry["upload"] is not None]
        found = {
            row.upload_id: row for row in await rows.uploads_by_ids(conn, space_id, upload_ids)
        }
        open_now = [row for row in found.values() if row.state in _URLS_OPEN]
        found |= {row.upload_id: row for row in await self._touch(conn, space_id, open_now, now)}
        until = now + timedelta(seconds=self.limits.fresh_blob_seconds)
        others = {
            blob.blob_id: blob for blob in await blobs.blobs_by_ids(conn, space_id, upload_ids)
        }
        kept = await blobs.keep_fresh(conn, space_id, list(others), now, until)
        return [recall(entry, found, {i: b for i, b in others.items() if i in kept})
                for entry in answer]  # fmt: skip


async def _look(
    conn: Connection,
    caller: Caller,
    space_id: int,
    fingerprints: Sequence[bytes],
    idempotency_key: str | None,
    now: datetime,
    lock: bool,
    put_grace_seconds: int,
) -> _Seen:
    """One round trip. With the lock, what other batches committed before it is seen.

    Uploads before blobs: one that is completed in between, which takes no lock, is seen as both.
    """
    read = spaces.lock if lock else spaces.space
    async with conn.pipeline():
        space = await read(conn, space_id)
        stored = (
            None
            if idempotency_key is None
            else await idempotency.find(conn, space_id, caller.user_id, idempotency_key)
        )
        unfinished = await rows.open_by_fingerprints(conn, space_id, caller.user_id, fingerprints)
        known = await blobs.usable_by_fingerprints(
            conn, space_id, caller.user_id, fingerprints, now
        )
        reserved = await spaces.reserved(conn, space_id, now, put_grace_seconds)
    found = await space.fetchone()
    if found is None:
        raise NotFound("There is nothing with this id.")
    access.require(access.level(caller.user_id, found.owner_user_id), Level.WRITE)
    held: dict[bytes, BlobRow] = {}
    for blob in await known.fetchall():
        held.setdefault(blob.fingerprint, blob)
    begun: dict[bytes, UploadRow] = {}
    for row in await unfinished.fetchall():
        begun.setdefault(row.fingerprint, row)
    remembered = None if stored is None else await stored.fetchone()
    return _Seen(found, remembered, held, begun, int((await reserved.fetchone()) or 0))


def _check_batch(request: Begin) -> None:
    """A thousand uploads may come at once, but not each with as many chunks as one may have."""
    asked = sum(len(upload.chunks) for upload in request.uploads)
    if asked > chunking.MAX_BATCH_CHUNKS:
        raise TooLarge(
            f"The uploads of this call have {asked} chunks in all; {chunking.MAX_BATCH_CHUNKS} is"
            " the most. Begin them in several calls.",
            extra={"chunks": asked, "most": chunking.MAX_BATCH_CHUNKS},
        )


def _hash(request: Begin) -> bytes:
    return hashlib.sha256(b"begin\0" + msgspec.json.encode(request)).digest()


def _parsed(asked: BeginUpload) -> Wanted | Problem:
    try:
        return parse(asked)
    except InvalidChunkList as problem:
        return problem


def _place(item: Wanted | Problem, places: dict[bytes, Placed]) -> Placed:
    if isinstance(item, Problem):
        return Placed.failed(item)
    return places[item.fingerprint] if item.size else Placed("empty")
