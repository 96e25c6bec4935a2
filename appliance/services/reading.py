"""The frame of a read: a replica first, the primary if the reader has seen more, access checked.

The head of the space (seq, owner) is asked for before everything else, in the same pipeline:
each later statement sees at least what it saw.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from appliance.domain.access import Caller, Level, level, require
from appliance.domain.errors import NotFound
from appliance.store import pipelines, spaces
from appliance.store.pools import Connection, Stores
from appliance.store.rows import Rows
from appliance.store.spaces import SpaceRow

__all__ = ["View", "may_see", "reading"]

T = TypeVar("T")


class _BehindError(Exception):
    """The replica hasn't reached what the reader has seen."""


class View:
    """One read of a space. Ask everything first, then `await head()`, then fetch."""

    def __init__(
        self, head: Rows[SpaceRow], caller: Caller, space_id: int, min_seq: int | None
    ) -> None:
        self._head = head
        self._caller = caller
        self._min_seq = min_seq
        self.space_id = space_id

    async def head(self) -> SpaceRow:
        """Raises NotFound for a space that the caller has no part in."""
        found = await self._head.fetchone()
        if self._min_seq is not None and (found is None or found.seq < self._min_seq):
            raise _BehindError
        return may_see(found, self._caller)


def may_see(space: SpaceRow | None, caller: Caller, needs: Level = Level.READ) -> SpaceRow:
    if space is None:
        raise NotFound("There is nothing with this id.")
    require(level(caller.user_id, space.owner_user_id), needs)
    return space


async def reading(
    stores: Stores,
    caller: Caller,
    space_id: int,
    min_seq: int | None,
    work: Callable[[Connection, View], Awaitable[T]],
) -> T:
    """`work` may run again: on the primary if a replica proves late, or after a cut connection."""
    try:
        return await stores.look(
            space_id, lambda conn: _look(conn, caller, space_id, min_seq, work)
        )
    except _BehindError:
        return await stores.run(space_id, lambda conn: _look(conn, caller, space_id, None, work))


async def _look(
    conn: Connection,
    caller: Caller,
    space_id: int,
    min_seq: int | None,
    work: Callable[[Connection, View], Awaitable[T]],
) -> T:
    async with pipelines.questions(conn):
        return await work(conn, View(await spaces.space(conn, space_id), caller, space_id, min_seq))
