"""What was written while a drive was away is asked for once all are there: the store heals it then.

MinIO forgets what it couldn't write everywhere a second after the write, and a HEAD makes it notice
(docs/explanation/decisions/0011-healing-after-an-outage.md, with what was measured). Each new blob
is asked for twice, `apart` seconds or more from each other, each time after the store's figures
called all its drives there; they are at most 10 s old, so both can't fall into one outage that the
figures miss. A store with a single drive, or without such figures, has nothing to heal.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from appliance.domain.errors import StoreUnavailable
from appliance.objects.control import ObjectControl
from appliance.objects.drives import Drives
from appliance.store import heals
from appliance.store.pools import Connection, Stores
from appliance.telemetry.logs import get_logger

from .holding import Lease
from .job import Action, Done

__all__ = ["HealJob"]

_log = get_logger("workers")
_BATCH = 5000
_SPACES = 1000
_AT_ONCE = 16
_REMEMBERED = 600.0  # seconds; another worker may have gone on with it


class HealJob:
    """`look` tells of the drives, and is believed for `fresh` seconds; None for a store that has
    nothing to heal."""

    name = "heal"
    repeats = True

    def __init__(
        self,
        *,
        stores: Stores,
        control: ObjectControl,
        look: Callable[[], Awaitable[Drives | None]] | None,
        apart: float = 20.0,
        fresh: float = 2.0,
        every: float = 10.0,
    ) -> None:
        self.every = every
        self._stores = stores
        self._control = control
        self._look = look
        self._apart = apart
        self._asked: dict[tuple[int, int], float] = {}
        self._fresh = fresh
        self._looked = -math.inf
        self._drives: Drives | None = None

    async def _may_ask(self) -> bool:
        """Whether all drives are there, or there is nothing to wait for.

        A store that doesn't answer isn't asked again for each range of keys.
        """
        if self._look is None:
            return True
        if time.monotonic() - self._looked >= self._fresh:
            try:
                self._drives = await self._look()
            except StoreUnavailable:
                self._drives = None
            self._looked = time.monotonic()
        return self._drives is not None and self._drives.away == 0

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        if not await self._may_ask():
            return []
        return await heals.spaces_with_heals(conn, low, high, _SPACES)

    async def plan(self, key: int) -> Sequence[Action]:
        found = await self._stores.run(key, lambda conn: heals.waiting(conn, key, _BATCH))
        if not found:
            return []
        return [Action("ask-for", tuple(i for i, _ in found), tuple(k for _, k in found))]

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        if not await self._may_ask():
            return Done()
        if self._look is None or (self._drives is not None and self._drives.total == 1):
            return Done(healed=await self._take_off(key, action.ids, lease))
        now = time.monotonic()
        self._asked = {each: at for each, at in self._asked.items() if now - at < _REMEMBERED}
        object_keys = dict(zip(action.ids, action.keys, strict=True))
        first = [blob for blob in object_keys if (key, blob) not in self._asked]
        again = [
            blob for blob in object_keys if now - self._asked.get((key, blob), now) >= self._apart
        ]
        unreadable = await self._ask_for({blob: object_keys[blob] for blob in first + again})
        self._asked |= {(key, blob): time.monotonic() for blob in first if blob not in unreadable}
        done = [blob for blob in again if blob not in unreadable]
        healed = await self._take_off(key, done, lease) if done else 0
        for blob in done:
            del self._asked[key, blob]
        if unreadable:
            _log.error("blobs unreadable", space=key, blobs=sorted(unreadable)[:5])
        return Done(asked=len(set(first) - unreadable), healed=healed)

    async def _ask_for(self, object_keys: Mapping[int, str]) -> set[int]:
        """Those the store can't look at while it answers otherwise: they hold up no other.

        One that isn't there any more has nothing to heal.
        """
        turns = asyncio.Semaphore(_AT_ONCE)
        unreadable: set[int] = set()

        async def ask(blob: int, object_key: str) -> None:
            async with turns:
                try:
                    await self._control.head(object_key)
                except StoreUnavailable:
                    await self._control.ping()
                    unreadable.add(blob)

        try:
            async with asyncio.TaskGroup() as group:
                for blob, object_key in object_keys.items():
                    group.create_task(ask(blob, object_key))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return unreadable

    async def _take_off(self, space_id: int, blob_ids: Sequence[int], lease: Lease) -> int:
        async def work(conn: Connection) -> int:
            await lease.guard(conn)
            return await heals.healed(conn, space_id, blob_ids)

        return await self._stores.run(space_id, work)
