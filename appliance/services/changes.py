"""The journal as sync clients read it: page by page, waiting for news at its end.

The cursor's mark tells whether the history that the client read is still the one here. If it
isn't, the answer holds no changes and the cursor of now: the client unites what it has with what
is there, and goes on.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from appliance.domain import cursors, ids
from appliance.domain.access import Caller
from appliance.domain.cursors import Cursor, Verdict
from appliance.domain.errors import InvalidCursor
from appliance.settings import Limits
from appliance.store import journal
from appliance.store.journal import JournalRow
from appliance.store.pools import Connection, Stores
from appliance.wire.changes import Change, Changes

from .node_answers import version_id
from .reading import View, reading

__all__ = ["ChangeFeed", "Waiter"]

_POLL_SECONDS = 2.0  # between looks at the journal where nothing wakes


class Waiter(Protocol):
    """What cache.wakeups offers: a hint that a space has news, at the latest after a time."""

    async def wait(self, space_id: int, seq: int, timeout: float) -> None: ...


class ChangeFeed:
    """`wakeups` may be None: then the journal is polled. Else they say when to look again."""

    def __init__(self, *, stores: Stores, limits: Limits, wakeups: Waiter | None = None) -> None:
        self._stores = stores
        self._limits = limits
        self._wakeups = wakeups

    async def page(
        self,
        caller: Caller,
        space: str,
        cursor: str | None = None,
        wait: float = 0,
        limit: int = 1000,
    ) -> Changes:
        """Without a cursor, from the beginning. `wait`: seconds that an empty page may be held."""
        space_id = ids.decode_key("s", space)
        at = cursors.decode(cursor) if cursor else cursors.start(space_id)
        if at.space_id != space_id:
            raise InvalidCursor("The cursor belongs to another space.")
        loop = asyncio.get_running_loop()
        end = loop.time() + min(wait, self._limits.long_poll_seconds)
        while True:
            changes = await self._look(caller, at, limit)
            left = end - loop.time()
            if changes.items or changes.fork or left <= 0:
                return changes
            await self._wait(at, left)

    async def _wait(self, at: Cursor, seconds: float) -> None:
        if self._wakeups is None:
            await asyncio.sleep(min(seconds, _POLL_SECONDS))
        else:
            await self._wakeups.wait(at.space_id, at.seq, seconds)

    async def _look(self, caller: Caller, at: Cursor, limit: int) -> Changes:
        """A cursor ahead of a replica is looked for on the primary before it counts as a fork."""

        async def look(conn: Connection, view: View) -> Changes:
            marked = await journal.mark_at(conn, at.space_id, at.seq)
            found = await journal.after(conn, at.space_id, at.seq, limit + 1)
            head = await view.head()
            if cursors.verdict(at, await marked.fetchone()) is not Verdict.OK:
                now = Cursor(at.space_id, head.seq, head.mark)
                return Changes(items=[], cursor=cursors.encode(now), more=False, fork=True)
            rows = await found.fetchall()
            page = rows[:limit]
            now = Cursor(at.space_id, page[-1].seq, page[-1].mark) if page else at
            return Changes(
                items=[_change(at.space_id, row) for row in page],
                cursor=cursors.encode(now),
                more=len(rows) > limit,
                fork=False,
            )

        return await reading(self._stores, caller, at.space_id, at.seq, look)


def _change(space_id: int, row: JournalRow) -> Change:
    def node(node_id: int | None) -> str | None:
        return None if node_id is None else ids.encode("n", space_id, node_id)

    return Change(
        seq=row.seq,
        node=ids.encode("n", space_id, row.node_id),
        change=row.change,
        kind=row.kind,
        old_parent=node(row.old_parent),
        new_parent=node(row.new_parent),
        name=row.name,
        version=version_id(space_id, row.version_id),
        at=row.at,
    )
