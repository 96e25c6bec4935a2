"""Rows and store, compared in both directions, space by space, at night.

    orphan   an object that no row explains: deleted once it is older than the grace, if then
             still no row does; the grace outlasts a restore of the database
    lost     a live blob without its object: quarantined
    size     a live blob whose object has another size: quarantined
    upload   a multipart upload that no row explains: aborted after the grace (unfinished.py)

Uploads and their tombstones explain their keys, dying blobs theirs, in whatever state. What is
left is written to `audits` and is a metric that must be 0. The store's listing is kept as 8 bytes
an object, so a space of ten million objects takes 80 MB.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from appliance.domain.clock import Clock
from appliance.objects.control import ObjectControl
from appliance.objects.keys import space_prefix
from appliance.objects.reader import ListedObject, ObjectReader
from appliance.settings import Limits
from appliance.store import audits, blobs, uploads
from appliance.store.blobs import KeyedBlob
from appliance.store.pools import Connection, Stores
from appliance.telemetry.logs import get_logger

from .holding import Lease
from .job import Action, Done
from .unfinished import UnfinishedUploads

__all__ = ["ReconcileJob"]

_log = get_logger("workers")
_SPACES = 1000
_PAGE = 1000
_KEPT = frozenset({"live", "quarantined"})  # a dying blob's object may be gone already


@dataclass(slots=True)
class _Seen:
    """Which keys the listing showed; a key is known by 64 bits of its hash."""

    hashes: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, keys: Sequence[str]) -> None:
        self.hashes.extend(_hash(key) for key in keys)

    def close(self) -> None:
        self.hashes = array("Q", sorted(self.hashes))

    def __contains__(self, key: str) -> bool:
        at = bisect_left(self.hashes, value := _hash(key))
        return at < len(self.hashes) and self.hashes[at] == value


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


class ReconcileJob:
    name = "reconcile"
    repeats = False

    def __init__(
        self,
        *,
        stores: Stores,
        control: ObjectControl,
        reader: ObjectReader,
        clock: Clock,
        limits: Limits,
        period_seconds: float = 86400.0,
        every: float = 900.0,
    ) -> None:
        self.every = every
        self._stores = stores
        self._control = control
        self._reader = reader
        self._unfinished = UnfinishedUploads(stores, control)
        self._clock = clock
        self._grace = timedelta(seconds=limits.dying_grace_seconds)
        self._period = timedelta(seconds=period_seconds)

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        before = self._clock.now() - self._period
        return await audits.spaces_due(conn, low, high, self.name, before, _SPACES)

    async def plan(self, key: int) -> Sequence[Action]:
        """Ends with `note`, which writes down what was found: it stays found until it is gone."""
        seen = _Seen()
        orphans: list[ListedObject] = []
        sizes: list[KeyedBlob] = []
        async for page in self._reader.list_all(space_prefix(key)):
            seen.add([listed.key for listed in page])
            explained = await self._explain(key, [listed.key for listed in page])
            for listed in page:
                blob = explained.get(listed.key)
                if listed.key not in explained:
                    orphans.append(listed)
                elif blob is not None and blob.state in _KEPT and _differs(blob, listed.size):
                    sizes.append(blob)
        seen.close()
        lost = await self._lost(key, seen)
        # Deleted, object and row, since it was listed: not an orphan.
        orphans = [o for o in orphans if await self._control.head(o.key) is not None]
        old = self._clock.now() - self._grace
        due = tuple(listed.key for listed in orphans if listed.modified < old)
        actions = [Action("delete-orphans", keys=due)] if due else []
        wrong = [
            Action("quarantine", (blob.blob_id,), (blob.object_key,), kind)
            for kind, found in (("lost", lost), ("size", sizes))
            for blob in found
            if blob.state == "live"
        ]
        loose = await self._unfinished.unexplained(key)
        idle = tuple(sorted({upload.key for upload in loose if upload.initiated < old}))
        if idle:
            actions.append(Action("abort-uploads", keys=idle))
        counts = (len(orphans), len(lost), len(sizes), len(loose))
        note = "orphans={} lost={} sizes={} uploads={}".format(*counts)
        return [*actions, *wrong, Action("note", counts, note=note)]

    async def _explain(self, space_id: int, keys: Sequence[str]) -> dict[str, KeyedBlob | None]:
        """Key -> its blob, or None where an upload's row is the explanation."""

        async def read(conn: Connection) -> dict[str, KeyedBlob | None]:
            # Uploads first: one that becomes a blob between the two is seen at least once.
            known = await uploads.explained_keys(conn, space_id, keys)
            found: dict[str, KeyedBlob | None] = dict.fromkeys(known)
            return found | await blobs.blobs_of_keys(conn, space_id, keys)

        return await self._stores.run(space_id, read)

    async def _lost(self, space_id: int, seen: _Seen) -> list[KeyedBlob]:
        """A blob that came after the listing is looked for by itself before it counts."""
        lost: list[KeyedBlob] = []
        after = 0
        while True:

            async def read(conn: Connection, after: int = after) -> list[KeyedBlob]:
                return await blobs.keys_page(conn, space_id, after, _PAGE)

            page = await self._stores.run(space_id, read)
            for blob in page:
                if blob.state not in _KEPT or blob.object_key in seen:
                    continue
                if await self._control.head(blob.object_key) is None:
                    lost.append(blob)
            if len(page) < _PAGE:
                return lost
            after = page[-1].blob_id

    async def execute(self, key: int, action: Action, lease: Lease) -> Done:
        match action.verb:
            case "delete-orphans":
                return await self._delete(key, action.keys, lease)
            case "abort-uploads":
                before = self._clock.now() - self._grace
                aborted = await self._unfinished.abort(key, action.keys, before, lease)
                return Done(uploads_aborted=aborted)
            case "quarantine":
                return await self._quarantine(key, action, lease)
            case _:
                return await self._note(key, action.ids, lease)

    async def _delete(self, space_id: int, keys: Sequence[str], lease: Lease) -> Done:
        await self._stores.run(space_id, lease.guard)
        explained = await self._explain(space_id, keys)
        gone = [key for key in keys if key not in explained]
        await self._control.delete_many(gone)
        return Done(orphans_deleted=len(gone))

    async def _quarantine(self, space_id: int, action: Action, lease: Lease) -> Done:
        (blob_id,), (key,) = action.ids, action.keys
        size = await self._control.head(key)

        async def work(conn: Connection) -> bool:
            await lease.guard(conn)
            found = await blobs.blobs_by_ids(conn, space_id, [blob_id])
            if not found or (action.note == "size" and size == found[0].raw_size):
                return False
            return await blobs.quarantine(conn, space_id, blob_id)

        if action.note == "lost" and size is not None:
            return Done()
        if not await self._stores.run(space_id, work):
            return Done()
        _log.error("blob quarantined", space=space_id, blob=blob_id, why=action.note)
        return Done(quarantined=1)

    async def _note(self, space_id: int, counts: Sequence[int], lease: Lease) -> Done:
        found = dict(zip(("orphan", "lost", "size", "upload"), counts, strict=True))
        now: datetime = self._clock.now()

        async def work(conn: Connection) -> None:
            await lease.guard(conn)
            await audits.keep(conn, space_id, self.name, found, now)

        await self._stores.run(space_id, work)
        return Done(compared=1)


def _differs(blob: KeyedBlob, size: int) -> bool:
    return size != blob.stored_size if blob.object_offset == 0 else size < blob.object_offset
