"""Drives one upload along domain.upload_states.next_step, from wherever it was left.

Any number of executors may drive the same upload: each move of the row is a compare-and-swap, the
steps in between may be repeated, and whoever loses a swap goes on by what the row says now. A
store or database that is gone ends the run with its Problem; the next run takes up from the row.

`observe` is told each step that has been done; a test's observer ends the process there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from appliance.domain.clock import Clock
from appliance.domain.errors import Problem, StoreUnavailable, UploadState
from appliance.domain.parts import Method
from appliance.domain.upload_states import (
    ABSENT,
    Called,
    Event,
    Facts,
    State,
    Step,
    after,
    next_state,
    next_step,
)
from appliance.objects.control import ObjectControl
from appliance.objects.errors import InvalidParts, NoSuchUpload
from appliance.settings import Limits
from appliance.store import uploads as rows
from appliance.store.pools import Connection, Stores
from appliance.store.uploads import UploadRow

from .upload_answers import lies
from .upload_store import Observe, list_all, nothing

__all__ = ["Driven", "Executor", "Guard", "unguarded"]

Guard = Callable[[Connection], Awaitable[None]]
Calls = dict[tuple[int, int], asyncio.Task[Called]]  # by space and upload
_LOOK_AGAIN = (0.1, 0.3, 1.0)  # seconds; another executor's Complete may be about to show
_SLOW_COMPLETE = timedelta(minutes=5)  # more than the store is given for a Complete
_SETTLE_SECONDS = 10.0  # of a process that stops; what isn't done then is taken up by another


async def unguarded(conn: Connection) -> None:
    """For requests: the row's own fence is enough."""


@dataclass(frozen=True, slots=True)
class Driven:
    """Where the run ended; `row` is None when nothing is left of the upload."""

    row: UploadRow | None
    problem: Problem | None = None


class Executor:
    """`guard` runs first in each transaction: a worker's checks that it still holds its lease."""

    def __init__(
        self,
        *,
        stores: Stores,
        control: ObjectControl,
        clock: Clock,
        limits: Limits,
        observe: Observe = nothing,
        guard: Guard = unguarded,
        calls: Calls | None = None,
    ) -> None:
        self._stores = stores
        self._control = control
        self._clock = clock
        self._limits = limits
        self._observe = observe
        self._guard = guard
        self._calls: Calls = {} if calls is None else calls

    def guarded(self, guard: Guard) -> Executor:
        return Executor(
            stores=self._stores,
            control=self._control,
            clock=self._clock,
            limits=self._limits,
            observe=self._observe,
            guard=guard,
            calls=self._calls,
        )

    async def settle(self) -> None:
        """Lets the Completes that no request waits for any more come to their end."""
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=_SETTLE_SECONDS)

    async def load(self, space_id: int, upload_id: int) -> UploadRow | None:
        async def work(conn: Connection) -> list[UploadRow]:
            return await rows.uploads_by_ids(conn, space_id, [upload_id])

        found = await self._stores.run(space_id, work)
        return found[0] if found else None

    async def move(self, row: UploadRow, event: Event) -> UploadRow | None:
        """None when the row had moved already; raises UploadState for a move there isn't."""
        to = next_state(State(row.state), event)

        async def work(conn: Connection) -> UploadRow | None:
            await self._guard(conn)
            idle_since = row.active_at if event is Event.EXPIRE else None
            return await rows.move(conn, row, to, self._clock.now(), idle_since)

        return await self._stores.run(row.space_id, work)

    async def drive(self, space_id: int, upload_id: int) -> Driven:
        """To the next place where only the client or time can go on."""
        row = await self.load(space_id, upload_id)
        problem: Problem | None = None
        facts = None if row is None else self._facts(row)
        while row is not None and facts is not None:
            step = next_step(facts, self._clock.now())
            match step:
                case Step.WAIT | Step.DONE:
                    if row.state == State.COMPLETING.value:
                        problem = _unseen()
                    break
                case Step.COMPLETE:
                    facts = replace(facts, completed=await self._complete(row))
                case Step.HEAD:
                    facts = replace(facts, head=await self._head(row, facts))
                case Step.ABORT:
                    await self._abort(row)
                    facts = replace(facts, aborted=True)
                case Step.DELETE:
                    await self._control.delete(row.object_key)
                    self._observe("deleted-in-store")
                    facts = replace(facts, head=ABSENT)
                case Step.FORGET:
                    if await self._forget(row):
                        row = None
                        break
                    row, facts = await self._reload(row)
                case _:
                    moved, found = await self._record(row, step)
                    problem = found or problem
                    if moved is None:
                        row, facts = await self._reload(row)
                    else:
                        row, facts = moved, self._moved(moved, facts, step)
        return Driven(row, problem)

    async def _reload(self, row: UploadRow) -> tuple[UploadRow | None, Facts | None]:
        fresh = await self.load(row.space_id, row.upload_id)
        return fresh, None if fresh is None else self._facts(fresh)

    def _facts(self, row: UploadRow) -> Facts:
        limits = self._limits
        return Facts(
            state=State(row.state),
            method=Method(row.method),
            size=row.size,
            idle_until=row.active_at + timedelta(seconds=limits.upload_idle_seconds),
            purge_until=row.url_expires_at + timedelta(seconds=limits.put_grace_seconds),
            lost_from=row.active_at + _SLOW_COMPLETE,
        )

    def _moved(self, row: UploadRow, facts: Facts, step: Step) -> Facts:
        known = after(facts, _EVENTS[step])
        return replace(self._facts(row), state=known.state)

    async def _complete(self, row: UploadRow) -> Called:
        """The call outlives the request that waits for it, and the next one joins it.

        MinIO gives up a Complete whose caller has gone, now and then with the whole upload.
        """
        key = (row.space_id, row.upload_id)
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = asyncio.create_task(self._call_complete(row))
            call.add_done_callback(lambda done: self._called(key, done))
        return await asyncio.shield(call)

    def _called(self, key: tuple[int, int], done: asyncio.Task[Called]) -> None:
        del self._calls[key]
        if not done.cancelled():
            done.exception()  # seen: whoever still waits raises it, and nobody may wait

    async def _call_complete(self, row: UploadRow) -> Called:
        assert row.s3_upload_id is not None

        async def work(conn: Connection) -> dict[int, dict[int, str]]:
            return await rows.recorded_parts(conn, row.space_id, [row.upload_id])

        recorded = (await self._stores.run(row.space_id, work))[row.upload_id]
        try:
            await self._control.complete(row.object_key, row.s3_upload_id, sorted(recorded.items()))
        except NoSuchUpload:
            return Called.GONE
        except InvalidParts:
            return Called.REFUSED
        self._observe("completed-in-store")
        return Called.OK

    async def _head(self, row: UploadRow, facts: Facts) -> int:
        size = await self._control.head(row.object_key)
        if size is None and facts.completed is not None:
            for wait in _LOOK_AGAIN:
                await asyncio.sleep(wait)
                size = await self._control.head(row.object_key)
                if size is not None:
                    break
        self._observe("seen-in-store")
        return ABSENT if size is None else size

    async def _abort(self, row: UploadRow) -> None:
        """All uploads under this key: one that a crash hid from the row too."""
        known = {row.s3_upload_id} if row.s3_upload_id else set()
        listed = {
            upload.s3_upload_id
            async for upload in self._control.list_uploads(row.object_key)
            if upload.key == row.object_key
        }
        for s3_upload_id in known | listed:
            await self._control.abort(row.object_key, s3_upload_id)
        self._observe("aborted-in-store")

    async def _record(self, row: UploadRow, step: Step) -> tuple[UploadRow | None, Problem | None]:
        """The row after its move, or None when someone else moved it; and what to tell."""
        moved: UploadRow | None
        if step is Step.RECORD_UPLOADED:
            moved, problem = await self._finish(row), None
        elif step is Step.RECORD_REFUSED:
            moved, problem = await self._refuse(row)
        else:
            moved = await self.move(row, _EVENTS[step])
            problem = _lost() if step is Step.RECORD_LOST else None
        self._observe(step.value)
        return moved, problem if moved is not None else None

    async def _finish(self, row: UploadRow) -> UploadRow | None:
        async def work(conn: Connection) -> UploadRow | None:
            await self._guard(conn)
            now = self._clock.now()
            fresh_until = now + timedelta(seconds=self._limits.fresh_blob_seconds)
            if not await rows.finish(conn, row, now, fresh_until):
                return None
            return (await rows.uploads_by_ids(conn, row.space_id, [row.upload_id]))[0]

        return await self._stores.run(row.space_id, work)

    async def _refuse(self, row: UploadRow) -> tuple[UploadRow | None, Problem | None]:
        """Back to uploading, with the parts forgotten that the store doesn't stand by."""
        listed = await list_all(self._control, row)

        async def work(conn: Connection) -> tuple[UploadRow | None, list[int]]:
            await self._guard(conn)
            moved = await rows.move(conn, row, State.UPLOADING, self._clock.now())
            if moved is None:
                return None, []
            recorded = (await rows.recorded_parts(conn, row.space_id, [row.upload_id]))[
                row.upload_id
            ]
            false = [n for n in range(1, row.chunk_count + 1) if n not in recorded] + [
                number for number, etag in recorded.items() if listed.right.get(number) != etag
            ]
            false = sorted(false) or list(range(1, row.chunk_count + 1))
            await rows.forget_parts(conn, row.space_id, row.upload_id, false)
            return moved, false

        moved, false = await self._stores.run(row.space_id, work)
        return moved, lies(false)

    async def _forget(self, row: UploadRow) -> bool:
        async def work(conn: Connection) -> bool:
            await self._guard(conn)
            return await rows.forget(conn, row)

        gone = await self._stores.run(row.space_id, work)
        self._observe("forgotten")
        return gone


_EVENTS = {
    Step.RECORD_UPLOADED: Event.VERIFIED,
    Step.RECORD_REFUSED: Event.REFUSED,
    Step.RECORD_LOST: Event.LOST,
    Step.RECORD_EXPIRED: Event.EXPIRE,
    Step.RECORD_PURGED: Event.PURGED,
}


def _lost() -> UploadState:
    return UploadState(
        "The store has lost this upload; begin it again.", extra={"state": State.ABORTING.value}
    )


def _unseen() -> StoreUnavailable:
    return StoreUnavailable("the store may still be at work on this upload", retry_after=5.0)
