"""Reading back: a sample of each space's blobs, every chunk and the whole.

What is right is proven and its sha256 confirmed, also if a client had declared another one; a
quarantined blob that proves right is handed out again. What isn't right, or isn't there, is
quarantined and stays so. The bytes go through this process one piece at a time.

An object that the store can't give, while it answers otherwise, is reported and passed over: it is
read again when its turn comes. So is a report on what was read less than an hour ago: whoever
reports again and again doesn't make the whole blob be read as often.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from appliance.domain import chunking
from appliance.domain.clock import Clock
from appliance.domain.errors import StoreUnavailable
from appliance.objects.control import ObjectControl
from appliance.objects.errors import NoSuchObject
from appliance.objects.reader import ObjectReader
from appliance.store import audits, scrubs
from appliance.store.pools import Connection, Stores
from appliance.store.scrubs import ScrubRow
from appliance.telemetry.logs import get_logger

from .holding import Lease
from .job import Action, Done

__all__ = ["ScrubJob", "digest_if_right"]

_log = get_logger("workers")
_SPACES = 1000


async def digest_if_right(
    pieces: AsyncIterator[bytes], chunks: Sequence[chunking.Chunk]
) -> bytes | None:
    """SHA-256 of the whole, or None as soon as a chunk, or the length, is another."""
    whole = hashlib.sha256()
    expected = iter(chunks)
    chunk = next(expected, None)
    part, left = hashlib.sha256(), chunk.length if chunk else 0
    async for piece in pieces:
        whole.update(piece)
        rest = memoryview(piece)
        while rest:
            if chunk is None:
                return None
            part.update(rest[:left])
            used = min(left, len(rest))
            rest, left = rest[used:], left - used
            if left == 0:
                if part.digest() != chunk.sha256:
                    return None
                chunk = next(expected, None)
                part, left = hashlib.sha256(), chunk.length if chunk else 0
    return whole.digest() if chunk is None else None


class ScrubJob:
    """Every `period_seconds` each space has up to `sample` blobs read: those longest unread."""

    name = "scrub"
    repeats = False

    def __init__(
        self,
        *,
        stores: Stores,
        reader: ObjectReader,
        control: ObjectControl,
        clock: Clock,
        sample: int = 100,
        period_seconds: float = 86400.0,
        again_seconds: float = 30 * 86400.0,
        judge_seconds: float = 3600.0,
        every: float = 60.0,
    ) -> None:
        self.every = every
        self._stores = stores
        self._reader = reader
        self._control = control
        self._clock = clock
        self._sample = sample
        self._period = timedelta(seconds=period_seconds)
        self._again = timedelta(seconds=again_seconds)
        self._judge = timedelta(seconds=judge_seconds)

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        now = self._clock.now()
        regular = await audits.spaces_due(conn, low, high, self.name, now - self._period, _SPACES)
        return sorted({*regular, *await scrubs.spaces_to_judge(conn, low, high, now - self._judge)})

    async def plan(self, key: int) -> Sequence[Action]:
        rows = await self._rows(key)
        actions = [
            Action("read", (row.blob_id,), note=f"{row.stored_size} bytes, {row.state}")
            for row in rows
        ]
        return [*actions, Action("note")]

    async def _rows(self, space_id: int) -> list[ScrubRow]:
        now = self._clock.now()

        async def read(conn: Connection) -> list[ScrubRow]:
            return await scrubs.sample(
                conn, space_id, now - self._again, now - self._judge, self._sample
            )

        return await self._stores.run(space_id, read)

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        now = self._clock.now()
        if action.verb == "note":

            async def note(conn: Connection) -> None:
                await lease.guard(conn)
                await audits.keep(conn, key, self.name, {}, now)

            await self._stores.run(key, note)
            return Done()
        (blob_id,) = action.ids

        async def read(conn: Connection) -> list[ScrubRow]:
            return await scrubs.rows(conn, key, [blob_id])

        found = await self._stores.run(key, read)
        if not found:
            return Done()
        try:
            digest = await self._digest(found[0])
        except StoreUnavailable:
            await self._control.ping()
            return await self._pass_over(key, blob_id, lease)

        async def record(conn: Connection) -> bool:
            await lease.guard(conn)
            if digest is None:
                return await scrubs.failed(conn, key, blob_id, now)
            return await scrubs.passed(conn, key, blob_id, digest, now)

        if not await self._stores.run(key, record):
            return Done()
        if digest is not None:
            return Done(passed=1)
        _log.error("blob quarantined", space=key, blob=blob_id, why="scrub")
        return Done(failed=1)

    async def _pass_over(self, key: int, blob_id: int, lease: Lease) -> Done:
        async def record(conn: Connection) -> bool:
            await lease.guard(conn)
            return await scrubs.unreadable(conn, key, blob_id, self._clock.now())

        if not await self._stores.run(key, record):
            return Done()
        _log.error("blob unreadable", space=key, blob=blob_id)
        return Done(unreadable=1)

    async def _digest(self, row: ScrubRow) -> bytes | None:
        """The whole object where nothing else is in it, so that bytes too many show as well."""
        whole = row.object_offset == 0
        pieces = self._reader.read(
            row.object_key, row.object_offset, None if whole else row.stored_size
        )
        try:
            return await digest_if_right(pieces, chunking.unpack(row.chunk_list))
        except NoSuchObject:
            return None
