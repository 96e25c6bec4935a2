"""Uploads that nobody finishes: half-way, idle, or over.

completing, aborting   older than any request takes: driven on
reserved, uploading    without activity for too long: expired, undone
purged                 past the last URL and the longest PUT: the key is purged once more
uploaded               as long after: the row goes, its object is a blob's
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from appliance.domain.clock import Clock
from appliance.domain.errors import StoreUnavailable
from appliance.domain.parts import Method
from appliance.domain.upload_states import State
from appliance.objects.control import ObjectControl
from appliance.services.completion import Completion
from appliance.settings import Limits
from appliance.store import uploads as rows
from appliance.store.pools import Connection, Stores
from appliance.store.uploads import UploadRow

from .holding import Lease
from .job import Action, Done

__all__ = ["UploadsJob"]

_BATCH = 500


class UploadsJob:
    """`stuck_seconds`: how long a request may be at work on a step before a worker joins in."""

    name = "uploads"
    repeats = True

    def __init__(
        self,
        *,
        stores: Stores,
        control: ObjectControl,
        completion: Completion,
        clock: Clock,
        limits: Limits,
        every: float = 30.0,
        stuck_seconds: float = 60.0,
    ) -> None:
        self.every = every
        self._stores = stores
        self._control = control
        self._completion = completion
        self._clock = clock
        self._limits = limits
        self._stuck = timedelta(seconds=stuck_seconds)

    def _times(self) -> tuple[datetime, datetime, datetime]:
        now = self._clock.now()
        return (
            now - timedelta(seconds=self._limits.upload_idle_seconds),
            now - self._stuck,
            now - timedelta(seconds=self._limits.put_grace_seconds),
        )

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        idle, stuck, over = self._times()
        spaces = await rows.spaces_with_stuck(conn, low, high, idle, stuck)
        return sorted({*spaces, *await rows.spaces_with_tombstones(conn, low, high, over)})

    async def plan(self, key: int) -> Sequence[Action]:
        idle, stuck, over = self._times()

        async def read(
            conn: Connection,
        ) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
            return (
                await rows.stuck(conn, key, idle, stuck, _BATCH),
                await rows.over_tombstones(conn, key, over, _BATCH),
            )

        open_still, ended = await self._stores.run(key, read)
        actions = [Action("drive", (upload_id,), note=state) for upload_id, state in open_still]
        actions += [
            Action("purge", (upload_id,))
            for upload_id, state in ended
            if state == State.PURGED.value
        ]
        finished = tuple(i for i, state in ended if state == State.UPLOADED.value)
        if finished:
            actions.append(Action("forget", finished))
        return actions

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        if action.verb == "forget":
            return Done(forgotten=await self._forget(key, action.ids, lease))
        done = Done()
        for upload_id in action.ids:
            driven = await self._completion.drive(key, upload_id, lease.guard)
            if not isinstance(driven.problem, StoreUnavailable):  # else it is left as it was
                done["driven" if action.verb == "drive" else "purged"] += 1
        return done

    async def _forget(self, space_id: int, upload_ids: Sequence[int], lease: Lease) -> int:
        """A crash at begin may have left a second multipart upload under a finished key."""

        async def read(conn: Connection) -> list[UploadRow]:
            return await rows.uploads_by_ids(conn, space_id, upload_ids)

        for row in await self._stores.run(space_id, read):
            if row.method == Method.MULTIPART.value:
                async for upload in self._control.list_uploads(row.object_key):
                    if upload.key == row.object_key:
                        await self._control.abort(upload.key, upload.s3_upload_id)

        async def work(conn: Connection) -> int:
            await lease.guard(conn)
            return await rows.forget_uploaded(conn, space_id, upload_ids)

        return await self._stores.run(space_id, work)
