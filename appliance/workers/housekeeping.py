"""Small debts: outbox rows that a crash left, and answers that nobody repeats a request for."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.domain.clock import Clock
from appliance.services.changing import KEEP_ANSWERS
from appliance.services.users import Users
from appliance.store import accounts, idempotency
from appliance.store.pools import Connection, Stores
from appliance.store.routing import buckets

from .holding import Lease
from .job import Action, Done

__all__ = ["AnswersJob", "OutboxJob"]

_BATCH = 1000
_SPACES = 1000


class OutboxJob:
    """Works on buckets: a row's key is a user's, and the work is for another key.

    A row may belong to a request that is just applying it: applying twice changes nothing.
    """

    name = "outbox"
    repeats = False

    def __init__(self, *, stores: Stores, users: Users, every: float = 10.0) -> None:
        self.every = every
        self._stores = stores
        self._users = users
        self._last = {max(low, 1): high for low, high in buckets()}

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        return [max(low, 1)] if await accounts.due_outbox(conn, low, high, 1) else []

    async def plan(self, key: int) -> Sequence[Action]:
        rows = await self._rows(key)
        return [Action("apply", (row.outbox_id,), note=f"{row.kind} of {row.key}") for row in rows]

    async def _rows(self, key: int) -> Sequence[accounts.OutboxRow]:
        async def read(conn: Connection) -> Sequence[accounts.OutboxRow]:
            return await accounts.due_outbox(conn, key, self._last[key], _BATCH)

        return await self._stores.run(key, read)

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        await self._stores.run(key, lease.guard)
        applied = 0
        for row in await self._rows(key):
            if row.outbox_id in action.ids:
                await self._users.apply_outbox(row)
                applied += 1
        return Done(applied=applied)


class AnswersJob:
    name = "answers"
    repeats = True

    def __init__(self, *, stores: Stores, clock: Clock, every: float = 3600.0) -> None:
        self.every = every
        self._stores = stores
        self._clock = clock

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        before = self._clock.now() - KEEP_ANSWERS
        found = await idempotency.spaces_with_answers(conn, low, high, before, _SPACES)
        return [int(space_id) for space_id in await found.fetchall()]

    async def plan(self, key: int) -> Sequence[Action]:
        before = self._clock.now() - KEEP_ANSWERS
        return [Action("forget-answers", note=f"older than {before:%Y-%m-%d %H:%M} UTC")]

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        before = self._clock.now() - KEEP_ANSWERS

        async def work(conn: Connection) -> int:
            await lease.guard(conn)
            return await idempotency.expire(conn, key, before, _BATCH)

        return Done(forgotten=await self._stores.run(key, work))
