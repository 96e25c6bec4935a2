"""Uploads as their author sees them: begun, listed, signed, recorded.

Completing and aborting are in completion.py; what the steps are and why they survive a crash
between any two of them is domain/upload_states.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from appliance.domain import ids, parts
from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.domain.errors import InvalidCursor, NotFound, PartMismatch, PartMissing, UploadState
from appliance.domain.upload_states import State
from appliance.objects.control import ObjectControl
from appliance.objects.presign import Presigner
from appliance.settings import Limits
from appliance.store import uploads as rows
from appliance.store.blobs import BlobRow, blobs_by_ids
from appliance.store.pools import Connection, Stores
from appliance.store.uploads import UploadRow
from appliance.wire import uploads as wire

from .begin import Planner
from .placed import Placed
from .turns import Turns
from .upload_answers import blob_answer, chunk_answers, missing_numbers, no_upload, upload_answer
from .upload_store import (
    Checked,
    Observe,
    list_many,
    list_some,
    nothing,
    open_reserved,
    sign_urls,
)

__all__ = ["Uploads"]

Recorded = dict[int, dict[int, str]]


class Uploads:
    def __init__(
        self,
        *,
        stores: Stores,
        ids: ids.IdMaker,
        clock: Clock,
        limits: Limits,
        control: ObjectControl,
        presigner: Presigner,
        observe: Observe = nothing,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._limits = limits
        self._control = control
        self._presigner = presigner
        self._observe = observe
        self._planner = Planner(ids=ids, limits=limits)
        self._turns = Turns()
        self._lifetime = timedelta(seconds=limits.part_url_seconds)

    async def begin(
        self, caller: Caller, space: str, request: wire.Begin, idempotency_key: str | None
    ) -> wire.Begun:
        """One outcome for each upload. A store that is gone is StoreUnavailable for the batch:
        its rows are written, and the same request goes on from them."""
        space_id = ids.decode_key("s", space)
        now = self._clock.now()

        async def plan(conn: Connection) -> list[Placed]:
            return await self._planner.plan(conn, caller, space_id, request, idempotency_key, now)

        async with self._turns.of(space_id):
            placed = await self._stores.run(space_id, plan)
        self._observe("row-written")
        begun = {p.row.upload_id: p.row for p in placed if p.row is not None}
        begun = await self._opened(space_id, begun)
        resumed = {p.row.upload_id for p in placed if p.status == "resume" and p.row is not None}
        recorded = await self._seen(space_id, [begun[i] for i in begun if i in resumed])
        share = self._share(begun.values())
        items = [
            self._outcome(p, begun.get(p.row.upload_id) if p.row else None, recorded, now, share)
            for p in placed
        ]
        return wire.Begun(items=items, server_time=self._clock.now())

    async def list(self, caller: Caller, space: str, after: str | None, limit: int) -> wire.Uploads:
        """The author's unfinished ones."""
        space_id = ids.decode_key("s", space)
        if space_id != caller.space_id:
            raise NotFound("There is nothing with this id.")
        beyond = 0 if after is None else _cursor(space_id, after)

        async def work(conn: Connection) -> tuple[list[UploadRow], Recorded]:
            found = await rows.open_page(conn, space_id, caller.user_id, beyond, limit + 1)
            return found, await rows.recorded_parts(conn, space_id, [r.upload_id for r in found])

        found, recorded = await self._stores.run(space_id, work)
        shown = found[:limit]
        more = ids.encode("u", space_id, shown[-1].upload_id) if len(found) > limit else None
        return wire.Uploads(items=[self._answer(row, recorded) for row in shown], next=more)

    async def get(self, caller: Caller, upload: str) -> wire.Upload:
        found, recorded = await self._load(caller, upload)
        return blob_answer(found) if isinstance(found, BlobRow) else self._answer(found, recorded)

    async def chunks(self, caller: Caller, upload: str) -> wire.UploadChunks:
        row, recorded = await self._load_row(caller, upload)
        return wire.UploadChunks(items=chunk_answers(row, recorded[row.upload_id]))

    async def sign(self, caller: Caller, upload: str, request: wire.SignParts) -> wire.PartUrls:
        """URLs for parts of an upload that still takes bytes, whether sent before or not."""
        row, _ = await self._load_row(caller, upload)
        if outside := [n for n in request.parts if n > row.chunk_count]:
            raise PartMissing(
                f"The upload has {row.chunk_count} parts.",
                extra={"parts": [list(run) for run in parts.runs(outside)]},
            )
        await open_reserved(self._stores, self._control, self._observe, [row])
        now = self._clock.now()

        async def touch(conn: Connection) -> list[UploadRow]:
            return await rows.touch(conn, row.space_id, [row.upload_id], now, now + self._lifetime)

        touched = await self._stores.run(row.space_id, touch)
        if not touched or touched[0].state == State.RESERVED.value:
            raise UploadState("The upload takes no more bytes.", extra={"state": row.state})
        urls = sign_urls(self._presigner, touched[0], request.parts, now, self._lifetime)
        return wire.PartUrls(urls=list(urls), server_time=self._clock.now())

    async def record(self, caller: Caller, upload: str, request: wire.RecordParts) -> wire.Recorded:
        """Only that range of parts is listed, and only what the store says is recorded."""
        row, _ = await self._load_row(caller, upload)
        if row.state != State.UPLOADING.value:
            raise UploadState("The upload takes no more parts.", extra={"state": row.state})
        claimed = {part.part: part.etag for part in request.parts}
        there = await list_some(self._control, row, claimed)
        right: dict[int, str] = {}
        refused: list[wire.RefusedPart] = []
        for number, etag in claimed.items():
            fault = _fault(there, number, etag)
            if fault is None:
                right[number] = there.right[number]
            else:
                refused.append(wire.RefusedPart(part=number, code=fault.code, detail=fault.detail))
        if right and not await self._record(row.space_id, {row.upload_id: right}):
            raise UploadState("The upload takes no more parts.")
        self._observe("parts-recorded")
        return wire.Recorded(recorded=sorted(right), refused=refused)

    async def _opened(self, space_id: int, begun: dict[int, UploadRow]) -> dict[int, UploadRow]:
        reserved = [row for row in begun.values() if row.state == State.RESERVED.value]
        if not reserved:
            return begun
        await open_reserved(self._stores, self._control, self._observe, reserved)

        async def load(conn: Connection) -> list[UploadRow]:
            return await rows.uploads_by_ids(conn, space_id, [row.upload_id for row in reserved])

        return begun | {row.upload_id: row for row in await self._stores.run(space_id, load)}

    async def _seen(self, space_id: int, resumed: Sequence[UploadRow]) -> Recorded:
        """What the store has of each is recorded, so that only the rest is sent."""
        if not resumed:
            return {}
        found = await list_many(self._control, resumed)
        multipart = {r.upload_id for r in resumed if r.method == parts.Method.MULTIPART.value}
        await self._record(space_id, {i: seen for i, seen in found.items() if i in multipart})
        return found

    async def _record(self, space_id: int, seen: Recorded) -> bool:
        """False when there was something to record and no upload took it."""
        found = [
            rows.RecordedPart(upload_id, number, etag)
            for upload_id, etags in seen.items()
            for number, etag in etags.items()
        ]
        if not found:
            return True

        async def work(conn: Connection) -> bool:
            return bool(await rows.record_parts(conn, space_id, found, self._clock.now()))

        return await self._stores.run(space_id, work)

    def _outcome(
        self, placed: Placed, row: UploadRow | None, recorded: Recorded, now: datetime, share: int
    ) -> wire.BeginOutcome:
        if placed.blob is not None:
            return wire.BeginOutcome(status="known", upload=blob_answer(placed.blob))
        if row is None:
            return wire.BeginOutcome(status=placed.status, code=placed.code, detail=placed.detail)
        have = recorded.get(row.upload_id, {})
        urls: tuple[wire.PartUrl, ...] = ()
        if row.state == State.UPLOADING.value:
            lacking = missing_numbers(row, have)[:share]
            urls = sign_urls(self._presigner, row, lacking, now, self._lifetime)
        return wire.BeginOutcome(
            status=placed.status,
            upload=upload_answer(row, have, self._limits.upload_idle_seconds),
            urls=urls,
        )

    def _share(self, begun: Iterable[UploadRow]) -> int:
        """First URLs for each upload: an answer holds `urls_per_answer` or one an upload."""
        several = sum(1 for row in begun if row.chunk_count > 1)
        return max(1, self._limits.urls_per_answer // max(1, several))

    def _answer(self, row: UploadRow, recorded: Recorded) -> wire.Upload:
        have = recorded.get(row.upload_id, {})
        return upload_answer(row, have, self._limits.upload_idle_seconds)

    async def _load(self, caller: Caller, upload: str) -> tuple[UploadRow | BlobRow, Recorded]:
        """The row, or the blob that it became; both only for their author."""
        space_id, upload_id = ids.decode("u", upload)

        async def work(conn: Connection) -> tuple[UploadRow | BlobRow | None, Recorded]:
            found = await rows.uploads_by_ids(conn, space_id, [upload_id])
            if found:
                return found[0], await rows.recorded_parts(conn, space_id, [upload_id])
            held = await blobs_by_ids(conn, space_id, [upload_id])
            return next((blob for blob in held if blob.state == "live"), None), {}

        row, recorded = await self._stores.run(space_id, work)
        if row is None or row.author_user_id != caller.user_id:
            raise no_upload()
        return row, recorded

    async def _load_row(self, caller: Caller, upload: str) -> tuple[UploadRow, Recorded]:
        row, recorded = await self._load(caller, upload)
        if isinstance(row, BlobRow):
            raise UploadState("The upload is complete.", extra={"state": State.UPLOADED.value})
        return row, recorded


def _fault(there: Checked, number: int, etag: str) -> PartMissing | PartMismatch | None:
    if number in there.wrong:
        return PartMismatch(there.wrong[number])
    if number not in there.right:
        return PartMissing("the store doesn't have this part")
    if there.right[number].strip('"') != etag.strip('"'):
        return PartMismatch("the store has this part by another ETag")
    return None


def _cursor(space_id: int, after: str) -> int:
    try:
        of_space, upload_id = ids.decode("u", after)
    except NotFound:
        raise InvalidCursor("Pages of uploads go on after an upload's id.") from None
    if of_space != space_id:
        raise InvalidCursor("That upload belongs to another space.")
    return upload_id
