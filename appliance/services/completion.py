"""The end of an upload: complete or abort, each decided in the database before the store hears.

May be called twice, by two clients at once, or after a crash: the answer is the final state. What
the store is asked, in which order and again after which crash, is upload_steps.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.domain.errors import BlobQuarantined, NotFound, Problem, UploadState
from appliance.domain.parts import Method
from appliance.domain.upload_states import Event, State, next_state
from appliance.objects.control import ObjectControl
from appliance.settings import Limits
from appliance.store import uploads as rows
from appliance.store.blobs import BlobRow, blobs_by_ids
from appliance.store.pools import Connection, Stores
from appliance.store.uploads import UploadRow
from appliance.wire import uploads as wire

from .upload_answers import blob_answer, gaps, lies, no_upload, upload_answer
from .upload_steps import Driven, Executor, Guard, unguarded
from .upload_store import Observe, arrived_singles, list_all, nothing

__all__ = ["Completion"]

_MULTIPART_AT_ONCE = 8
_SINGLE_OPEN = frozenset({State.UPLOADING.value, State.COMPLETING.value})


class Completion:
    def __init__(
        self,
        *,
        stores: Stores,
        clock: Clock,
        limits: Limits,
        control: ObjectControl,
        observe: Observe = nothing,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._limits = limits
        self._control = control
        self._observe = observe
        self._executor = Executor(
            stores=stores, control=control, clock=clock, limits=limits, observe=observe
        )

    async def complete(self, caller: Caller, upload: str) -> wire.Upload:
        space_id, upload_id = ids.decode("u", upload)
        found = await self._load(space_id, [upload_id])
        row = found[0].get(upload_id)
        if row is None:
            return _of_blob(found[1].get(upload_id), caller.user_id)
        if row.author_user_id != caller.user_id:
            raise no_upload()
        if row.method == Method.SINGLE.value:
            problem = (await self.ensure_uploaded(space_id, caller.user_id, [upload_id]))[upload_id]
            if problem is not None:
                raise problem
            return self._answer((await self._load(space_id, [upload_id]))[0].get(upload_id))
        return self._answer(await self._multipart(row))

    async def complete_many(
        self, caller: Caller, space: str, request: wire.Complete
    ) -> wire.Completed:
        """An outcome for each id, in their order; one that fails stops no other."""
        space_id = ids.decode_key("s", space)
        asked = [(text, _here(space_id, text)) for text in request.uploads]
        found, _ = await self._load(space_id, [i for _, i in asked if i is not None])
        singles = [row.upload_id for row in found.values() if row.method == Method.SINGLE.value]
        problems = await self.ensure_uploaded(space_id, caller.user_id, singles)
        gate = asyncio.Semaphore(_MULTIPART_AT_ONCE)

        async def one(text: str, upload_id: int | None) -> wire.CompleteOutcome:
            try:
                if upload_id is None:
                    raise no_upload()
                problem = problems.get(upload_id)
                if problem is not None:
                    raise problem
                if upload_id in problems:
                    done = found[upload_id]._replace(state=State.UPLOADED.value)
                    return wire.CompleteOutcome(id=text, upload=self._answer(done))
                async with gate:
                    return wire.CompleteOutcome(id=text, upload=await self.complete(caller, text))
            except Problem as problem:
                return wire.CompleteOutcome(id=text, code=problem.code, detail=problem.detail)

        return wire.Completed(items=list(await asyncio.gather(*(one(t, i) for t, i in asked))))

    async def abort(self, caller: Caller, upload: str) -> wire.Upload:
        """Also when it is aborted already; UploadState once it completes: its bytes may be used."""
        space_id, upload_id = ids.decode("u", upload)
        row = await self._executor.load(space_id, upload_id)
        while row is not None and row.author_user_id == caller.user_id:
            if next_state(State(row.state), Event.ABORT).value == row.state:
                break
            moved = await self._executor.move(row, Event.ABORT)
            if moved is not None:
                self._observe("aborting")
                row = moved
                break
            row = await self._executor.load(space_id, upload_id)
        if row is None or row.author_user_id != caller.user_id:
            raise no_upload()
        driven = await self._executor.drive(space_id, upload_id)
        return self._answer(driven.row or row)

    async def drive(self, space_id: int, upload_id: int, guard: Guard = unguarded) -> Driven:
        """Finishes or undoes what was left in the middle; for workers."""
        return await self._executor.guarded(guard).drive(space_id, upload_id)

    async def settle(self) -> None:
        """Before the process ends."""
        await self._executor.settle()

    async def ensure_uploaded(
        self, space_id: int, author_user_id: int, upload_ids: Sequence[int]
    ) -> dict[int, Problem | None]:
        """None for each id whose blob is there for this author to commit, else what is wrong.

        Single PUTs that are still open are looked for in the store and finished, all of a batch
        by one LIST and one statement.
        """
        if not upload_ids:
            return {}
        found, held = await self._load(space_id, upload_ids)
        own = {i: row for i, row in found.items() if row.author_user_id == author_user_id}
        looked_for = [
            row
            for row in own.values()
            if row.method == Method.SINGLE.value and row.state in _SINGLE_OPEN
        ]
        wrong: set[int] = set()
        finished: set[int] = set()
        if looked_for:
            right, wrong = await arrived_singles(self._control, looked_for)
            finished = await self._finish(space_id, sorted(right))
            if right - finished:  # completed or aborted by someone else in the meantime
                found, held = await self._load(space_id, upload_ids)
        answer: dict[int, Problem | None] = {}
        for upload_id in upload_ids:
            row, blob = found.get(upload_id), held.get(upload_id)
            if upload_id in finished:
                answer[upload_id] = None
            elif blob is not None:
                answer[upload_id] = _blob_problem(blob, author_user_id)
            elif row is None or row.author_user_id != author_user_id:
                answer[upload_id] = no_upload()
            elif upload_id in wrong:
                answer[upload_id] = lies([1])
            elif row.method == Method.SINGLE.value and row.state in _SINGLE_OPEN:
                answer[upload_id] = gaps([1])
            else:
                answer[upload_id] = _state_problem(row)
        return answer

    async def _finish(self, space_id: int, upload_ids: Sequence[int]) -> set[int]:
        if not upload_ids:
            return set()

        async def work(conn: Connection) -> set[int]:
            now = self._clock.now()
            fresh_until = now + timedelta(seconds=self._limits.fresh_blob_seconds)
            return await rows.finish_singles(conn, space_id, upload_ids, now, fresh_until)

        self._observe("seen-in-store")
        finished = await self._stores.run(space_id, work)
        self._observe("record-uploaded")
        return finished

    async def _multipart(self, row: UploadRow) -> UploadRow:
        """Until it is uploaded, or what stands in the way is known."""
        while row.state != State.UPLOADED.value:
            next_state(State(row.state), Event.COMPLETE)
            if row.state == State.UPLOADING.value:
                await self._all_there(row)
                moved = await self._executor.move(row, Event.COMPLETE)
                if moved is not None:
                    self._observe("completing")
            driven = await self._executor.drive(row.space_id, row.upload_id)
            if driven.problem is not None:
                raise driven.problem
            if driven.row is None:
                raise no_upload()
            row = driven.row
        return row

    async def _all_there(self, row: UploadRow) -> None:
        """Raises PartMissing, after one full look at the store if anything isn't recorded."""
        upload_id = row.upload_id

        async def read(conn: Connection) -> dict[int, dict[int, str]]:
            return await rows.recorded_parts(conn, row.space_id, [upload_id])

        recorded = (await self._stores.run(row.space_id, read))[upload_id]
        if len(recorded) == row.chunk_count:
            return
        listed = await list_all(self._control, row)
        late = [
            rows.RecordedPart(upload_id, number, etag)
            for number, etag in listed.right.items()
            if number not in recorded
        ]
        if late:

            async def record(conn: Connection) -> None:
                await rows.record_parts(conn, row.space_id, late, self._clock.now())

            await self._stores.run(row.space_id, record)
        if listed.wrong:
            raise lies(listed.wrong)
        there = recorded.keys() | listed.right.keys()
        if lacking := [n for n in range(1, row.chunk_count + 1) if n not in there]:
            raise gaps(lacking)

    async def _load(
        self, space_id: int, upload_ids: Sequence[int]
    ) -> tuple[dict[int, UploadRow], dict[int, BlobRow]]:
        async def work(conn: Connection) -> tuple[list[UploadRow], list[BlobRow]]:
            return (
                await rows.uploads_by_ids(conn, space_id, upload_ids),
                await blobs_by_ids(conn, space_id, upload_ids),
            )

        found, held = await self._stores.run(space_id, work)
        return {r.upload_id: r for r in found}, {b.blob_id: b for b in held}

    def _answer(self, row: UploadRow | None) -> wire.Upload:
        if row is None:
            raise no_upload()
        return upload_answer(row, (), self._limits.upload_idle_seconds)


def _here(space_id: int, text: str) -> int | None:
    try:
        of_space, upload_id = ids.decode("u", text)
    except NotFound:
        return None
    return upload_id if of_space == space_id else None


def _of_blob(blob: BlobRow | None, user_id: int) -> wire.Upload:
    if blob is None or blob.author_user_id != user_id or blob.state != "live":
        raise no_upload()
    return blob_answer(blob)


def _blob_problem(blob: BlobRow, author_user_id: int) -> Problem | None:
    if not (blob.proven or blob.author_user_id == author_user_id) or blob.state == "dying":
        return no_upload()
    if blob.state == "quarantined":
        return BlobQuarantined("The stored bytes failed a check; upload the file again.")
    return None


def _state_problem(row: UploadRow) -> Problem:
    if row.state == State.UPLOADED.value:
        return NotFound("The upload is no longer kept; ask to upload the file again.")
    return UploadState("The upload isn't complete.", extra={"state": row.state})
