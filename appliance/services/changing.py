"""The frame of a change: lock, read, decide, write, journal, commit; then tell whoever listens.

One transaction under the lock of the space's row. What it asks travels with the lock in one round
trip, what it writes with the COMMIT in another. An Idempotency-Key's answer is kept in the same
transaction.

A COMMIT without an answer is unknown: before the change is tried again, the journal is asked
whether the mark that the lost attempt wrote is there. Marks are random, so it can be no other's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from appliance.cache.metadata import MetadataCache
from appliance.cache.wakeups import Wakeups
from appliance.domain.access import Caller, Level
from appliance.domain.clock import Clock
from appliance.domain.errors import IdempotencyMismatch
from appliance.domain.ids import IdMaker, Randbits
from appliance.store import idempotency, journal, pipelines, spaces
from appliance.store.idempotency import StoredAnswer
from appliance.store.journal import Entry
from appliance.store.pools import Connection, Stores
from appliance.store.rows import Rows
from appliance.store.spaces import SpaceRow

from .reading import may_see
from .turns import Turns
from .written import Written

__all__ = ["KEEP_ANSWERS", "Changer", "Draft", "Once"]

T = TypeVar("T")
KEEP_ANSWERS = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """A request that is answered once, however often it is sent."""

    key: str
    request_hash: bytes
    answer: type[T]

    @classmethod
    def of(cls, key: str | None, what: str, request: Any, answer: type[T]) -> Once[T] | None:
        """`what`: the call and what it is about, so that no key serves two calls."""
        if key is None:
            return None
        digest = hashlib.sha256(what.encode() + b"\0" + msgspec.json.encode(request)).digest()
        return cls(key, digest, answer)

    async def answered(self, kept: Rows[StoredAnswer]) -> Written[T] | IdempotencyMismatch | None:
        """What was answered before, if anything."""
        found = await kept.fetchone()
        if found is None:
            return None
        if found.request_hash != self.request_hash:
            return IdempotencyMismatch("The key was used for another request before.")
        stored = found.answer
        return Written(msgspec.convert(stored["answer"], self.answer), stored["seq"])


class _RepeatedError(Exception):
    """The request was answered before; the argument is what was answered then."""


@dataclass(slots=True)
class Draft:
    """What a transaction is about to write. Ask everything first, then `await locked()`."""

    caller: Caller
    space_id: int
    now: datetime
    randbits: Randbits
    rows: Rows[SpaceRow]
    entries: list[Entry] = field(default_factory=list)
    charged: int = 0
    tree_moved: bool = False
    _space: SpaceRow | None = None

    async def locked(self) -> SpaceRow:
        """Raises NotFound for a space that the caller has no part in; may be called again."""
        if self._space is None:
            self._space = may_see(await self.rows.fetchone(), self.caller, Level.WRITE)
        return self._space

    async def ask_kept(self, conn: Connection, once: Once[Any]) -> Rows[StoredAnswer]:
        """Under the lock: of two senders of a key, the second finds what the first was told."""
        return await idempotency.find(conn, self.space_id, self.caller.user_id, once.key)

    async def keep(self, conn: Connection, once: Once[Any], answer: object) -> None:
        """Last of all: the answer goes with the seq that this transaction reaches."""
        await idempotency.keep(
            conn,
            self.space_id,
            self.caller.user_id,
            once.key,
            once.request_hash,
            {"seq": self.seq, "answer": msgspec.to_builtins(answer)},
            self.now,
        )

    @property
    def space(self) -> SpaceRow:
        assert self._space is not None, "locked() comes first"
        return self._space

    @property
    def seq(self) -> int:
        """The space's, once this is committed."""
        return self.space.seq + len(self.entries)

    def add(
        self,
        node_id: int,
        change: str,
        kind: str,
        *,
        old_parent: int | None = None,
        new_parent: int | None = None,
        name: str,
        version_id: int | None = None,
    ) -> int:
        """One more journal row; its seq is the node's new rev."""
        seq = self.seq + 1
        self.entries.append(
            Entry(
                seq,
                self.randbits(63),
                node_id,
                change,
                kind,
                old_parent,
                new_parent,
                name,
                version_id,
            )
        )
        return seq


class Changer:
    """`cache` and `wakeups` may be None: then nobody is told, and readers find out by asking."""

    def __init__(
        self,
        *,
        stores: Stores,
        ids: IdMaker,
        clock: Clock,
        randbits: Randbits,
        cache: MetadataCache | None = None,
        wakeups: Wakeups | None = None,
    ) -> None:
        self.stores = stores
        self.ids = ids
        self.clock = clock
        self._randbits = randbits
        self._cache = cache
        self._wakeups = wakeups
        self._turns = Turns()

    async def change(
        self,
        caller: Caller,
        space_id: int,
        work: Callable[[Connection, Draft], Awaitable[T]],
        once: Once[T] | None = None,
    ) -> Written[T]:
        """`work` may run several times, each in a transaction of its own; the last one counts."""
        tried: list[tuple[Draft, T]] = []

        async def transaction(conn: Connection) -> tuple[Draft, T]:
            async with pipelines.transaction(conn):
                rows = await spaces.lock(conn, space_id)
                draft = Draft(caller, space_id, self.clock.now(), self._randbits, rows)
                if tried and (done := await _committed(conn, space_id, tried)):
                    return done
                answer = await self._answer(conn, draft, work, once)
                if draft.entries:
                    await _close(conn, draft)
                tried.append((draft, answer))
                return draft, answer

        try:
            async with self._turns.of(space_id):
                draft, answer = await self.stores.run(space_id, transaction)
        except _RepeatedError as repeated:
            earlier: Written[T] = repeated.args[0]
            await self.stores.confirm(space_id)
            return earlier
        await self._tell(draft)
        return Written(answer, draft.seq)

    async def expire_idempotency(self, space_id: int, limit: int = 1000) -> int:
        """Deletes answers that no client asks for again; how many, at most `limit`."""
        before = self.clock.now() - KEEP_ANSWERS
        return await self.stores.run(
            space_id, lambda conn: idempotency.expire(conn, space_id, before, limit)
        )

    async def _answer(
        self,
        conn: Connection,
        draft: Draft,
        work: Callable[[Connection, Draft], Awaitable[T]],
        once: Once[T] | None,
    ) -> T:
        if once is None:
            return await work(conn, draft)
        kept = await draft.ask_kept(conn, once)
        await draft.locked()
        earlier = await once.answered(kept)
        if isinstance(earlier, IdempotencyMismatch):
            raise earlier
        if earlier is not None:
            raise _RepeatedError(earlier)
        answer = await work(conn, draft)
        await draft.keep(conn, once, answer)
        return answer

    async def _tell(self, draft: Draft) -> None:
        """All at once, in this order on the wire. What is new can't have been cached before."""
        if not draft.entries:
            return
        space_id = draft.space_id
        told: list[Awaitable[None]] = []
        if self._cache is not None:
            concerned = {entry.node_id for entry in draft.entries if entry.change != "create"}
            told.append(self._cache.drop_nodes(space_id, concerned, draft.seq))
            if draft.tree_moved:
                told.append(self._cache.tree_moved(space_id, draft.seq))
        if self._wakeups is not None:
            told.append(self._wakeups.publish(space_id, draft.seq))
        await asyncio.gather(*told)


async def _close(conn: Connection, draft: Draft) -> None:
    last = draft.entries[-1]
    await journal.append(
        conn, draft.space_id, draft.entries, author=draft.caller.user_id, now=draft.now
    )
    await spaces.advance(conn, draft.space_id, last.seq, last.mark, draft.charged)


async def _committed(
    conn: Connection, space_id: int, tried: list[tuple[Draft, T]]
) -> tuple[Draft, T] | None:
    """The earlier attempt that had been committed after all."""
    for draft, answer in tried:
        if draft.entries:
            last = draft.entries[-1]
            if await (await journal.mark_at(conn, space_id, last.seq)).fetchone() == last.mark:
                return draft, answer
    return None
