"""The death of blobs: unused ones turn dying, and after the grace their objects go, then the rows.

Object before row: at every moment a row explains each object. `dying` is final, so a deletion
that is repeated, or that a stopped worker does late, deletes only what was dead already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from appliance.domain.clock import Clock
from appliance.domain.retention import may_die
from appliance.objects.control import ObjectControl
from appliance.services.upload_store import Observe, nothing
from appliance.settings import Limits
from appliance.store import blobs as rows
from appliance.store import spaces
from appliance.store.pools import Connection, Stores

from .holding import Lease
from .job import Action, Done

__all__ = ["BlobsJob"]

_BATCH = 1000


class BlobsJob:
    name = "blobs"
    repeats = True

    def __init__(
        self,
        *,
        stores: Stores,
        control: ObjectControl,
        clock: Clock,
        limits: Limits,
        every: float = 60.0,
        observe: Observe = nothing,
    ) -> None:
        self.every = every
        self._stores = stores
        self._control = control
        self._clock = clock
        self._grace = timedelta(seconds=limits.dying_grace_seconds)
        self._observe = observe

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        now = self._clock.now()
        spaces_due = await rows.spaces_with_unused(conn, low, high, now)
        return sorted(
            {*spaces_due, *await rows.spaces_with_dead(conn, low, high, now - self._grace)}
        )

    async def plan(self, key: int) -> Sequence[Action]:
        now = self._clock.now()

        async def read(conn: Connection) -> tuple[list[int], list[tuple[int, str]]]:
            return (
                await rows.unused(conn, key, now, _BATCH),
                await rows.dead(conn, key, now - self._grace, _BATCH),
            )

        unused, dead = await self._stores.run(key, read)
        actions = [Action("let-die", tuple(unused))] if unused else []
        if dead:
            actions.append(Action("delete", tuple(i for i, _ in dead), tuple(k for _, k in dead)))
        return actions

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        if action.verb == "let-die":
            return Done(dying=await self._let_die(key, action.ids, lease))
        await self._control.delete_many(action.keys)
        self._observe("object-deleted")

        async def forget(conn: Connection) -> int:
            await lease.guard(conn)
            return await rows.forget(conn, key, action.ids)

        return Done(deleted=await self._stores.run(key, forget))

    async def _let_die(self, space_id: int, blob_ids: Sequence[int], lease: Lease) -> int:
        """Under the space's lock, which every new reference to a blob needs."""

        async def work(conn: Connection) -> int:
            await lease.guard(conn)
            await spaces.lock(conn, space_id)
            now = self._clock.now()
            found = await rows.references(conn, space_id, blob_ids)
            dead = [
                blob.blob_id
                for blob in found
                if may_die(blob.versions, blob.pins, blob.fresh_until, now)
            ]
            return await rows.let_die(conn, space_id, dead, now) if dead else 0

        dying = await self._stores.run(space_id, work)
        self._observe("dying")
        return dying
