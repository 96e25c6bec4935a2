"""Small debts: outbox rows that a crash left, answers that nobody repeats a request for, tokens
and counts of failed sign-ins that are long over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from appliance.domain.clock import Clock
from appliance.services.changing import KEEP_ANSWERS
from appliance.services.users import Users
from appliance.settings import Limits
from appliance.store import accounts, idempotency
from appliance.store.pools import Connection, Stores
from appliance.store.routing import buckets

from .holding import Lease
from .job import Action, Done

__all__ = ["AnswersJob", "OutboxJob", "SessionsJob"]

_BATCH = 1000
_SPACES = 1000
_TOKENS_KEPT = timedelta(days=30)  # after their end
_WINDOWS_KEPT = timedelta(days=1)


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


class SessionsJob:
    """Works on buckets, as tokens are keyed by users and failed sign-ins by logins."""

    name = "sessions"
    repeats = True

    def __init__(
        self, *, stores: Stores, clock: Clock, limits: Limits, every: float = 6 * 3600.0
    ) -> None:
        self.every = every
        self._stores = stores
        self._clock = clock
        self._window = timedelta(seconds=limits.signin_window_seconds)
        self._last = {max(low, 1): high for low, high in buckets()}

    def _times(self) -> tuple[datetime, datetime]:
        now = self._clock.now()
        return now - _TOKENS_KEPT, now - self._window - _WINDOWS_KEPT

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        found = await accounts.any_forgettable(conn, low, high, *self._times())
        return [max(low, 1)] if found else []

    async def plan(self, key: int) -> Sequence[Action]:
        ended, _ = self._times()
        return [Action("forget-sessions", note=f"ended before {ended:%Y-%m-%d %H:%M} UTC")]

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        ended, window = self._times()
        last = self._last[key]

        async def work(conn: Connection) -> Done:
            await lease.guard(conn)
            return Done(
                tokens_forgotten=await accounts.forget_tokens(conn, key, last, ended, _BATCH),
                windows_forgotten=await accounts.forget_windows(conn, key, last, window, _BATCH),
            )

        return await self._stores.run(key, work)
