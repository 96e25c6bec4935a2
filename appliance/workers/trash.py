"""The trash: what has been in it long enough is deleted for good, and what was is cleared.

Both act in the space's own transactions, on what is so at that moment: whoever does it twice,
or late, finds nothing to do. The lease only keeps two workers from the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.services.trash import Trash
from appliance.settings import Limits
from appliance.store import nodes, spaces
from appliance.store import trash as rows
from appliance.store.pools import Connection, Stores

from .holding import Lease
from .job import Action, Done

__all__ = ["PurgingJob", "TrashJob"]

_SPACES = 1000
_BATCH = 1000


class TrashJob:
    name = "trash"
    repeats = True

    def __init__(
        self,
        *,
        stores: Stores,
        trash: Trash,
        clock: Clock,
        limits: Limits,
        every: float = 3600.0,
    ) -> None:
        self.every = every
        self._stores = stores
        self._trash = trash
        self._clock = clock
        self._age = timedelta(seconds=limits.trash_seconds)

    def _before(self) -> datetime:
        return self._clock.now() - self._age

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        found = await rows.spaces_with_trash(conn, low, high, self._before(), _SPACES)
        return [int(space_id) for space_id in await found.fetchall()]

    async def plan(self, key: int) -> Sequence[Action]:
        async def read(conn: Connection) -> list[rows.Due]:
            return await (await rows.before(conn, key, self._before(), _BATCH)).fetchall()

        found = await self._stores.run(key, read)
        return [Action("delete-for-good", tuple(item.node_id for item in found))] if found else []

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        async def owner(conn: Connection) -> spaces.SpaceRow | None:
            await lease.guard(conn)
            return await (await spaces.space(conn, key)).fetchone()

        space = await self._stores.run(key, owner)
        if space is None:
            return Done()
        system = Caller(space.owner_user_id, 0, key, "user", "", "worker")
        written = await self._trash.empty_chunk(system, key, self._before(), _BATCH)
        return Done(deleted=written.answer)


class PurgingJob:
    name = "purging"
    repeats = True

    def __init__(self, *, stores: Stores, trash: Trash, every: float = 10.0) -> None:
        self.every = every
        self._stores = stores
        self._trash = trash

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        found = await nodes.spaces_purging(conn, low, high, _SPACES)
        return [int(space_id) for space_id in await found.fetchall()]

    async def plan(self, key: int) -> Sequence[Action]:
        async def read(conn: Connection) -> int:
            return len(await (await nodes.purging(conn, key, _BATCH)).fetchall())

        below = await self._stores.run(key, read)
        return [Action("clear", note=f"{below} or more")] if below else []

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        await self._stores.run(key, lease.guard)
        return Done(cleared=await self._trash.purge_chunk(key, _BATCH))
