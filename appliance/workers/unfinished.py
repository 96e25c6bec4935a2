"""Multipart uploads at the store that no row explains.

A row is written before its upload is begun, and a tombstone aborts all of its key, so these come
from a database that was restored to an earlier time, or from a process that died between beginning
an upload a second time and dropping it. Nobody can finish or list them: they only hold bytes.

SeaweedFS lists them by the space's prefix. MinIO lists them key by key only, and what is looked for
here is what no row has a key of: there they fall to MinIO's own expiry of stale uploads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.domain.upload_states import State
from appliance.objects.control import ObjectControl, StoredUpload
from appliance.objects.keys import space_prefix
from appliance.store import uploads
from appliance.store.pools import Stores
from appliance.store.uploads import KeyedUpload

from .holding import Lease

__all__ = ["UnfinishedUploads"]

_PAGE = 1000
# About to record its id; or its tombstone aborts whatever the key has.
_EXPLAIN_ALL = frozenset({State.RESERVED.value, State.ABORTING.value, State.PURGED.value})


@dataclass(frozen=True, slots=True)
class UnfinishedUploads:
    stores: Stores
    control: ObjectControl

    async def unexplained(self, space_id: int) -> list[StoredUpload]:
        there = [found async for found in self.control.list_uploads(space_prefix(space_id))]
        loose: list[StoredUpload] = []
        for start in range(0, len(there), _PAGE):
            loose += await self._without_row(space_id, there[start : start + _PAGE])
        return loose

    async def abort(
        self, space_id: int, keys: Sequence[str], before: datetime, lease: Lease
    ) -> int:
        """Those of these keys that were begun before then and still have no row; how many."""
        await self.stores.run(space_id, lease.guard)
        there = [found for key in keys async for found in self.control.list_uploads(key)]
        old = [found for found in there if found.key in keys and found.initiated < before]
        gone = await self._without_row(space_id, old)
        for found in gone:
            await self.control.abort(found.key, found.s3_upload_id)
        return len(gone)

    async def _without_row(
        self, space_id: int, there: Sequence[StoredUpload]
    ) -> list[StoredUpload]:
        """The rows are read after the store: one that is begun now has had its row before."""
        keys = sorted({found.key for found in there})
        rows = await self.stores.run(
            space_id, lambda conn: uploads.uploads_of_keys(conn, space_id, keys)
        )
        return [found for found in there if not _explains(rows, found)]


def _explains(rows: Mapping[str, KeyedUpload], found: StoredUpload) -> bool:
    row = rows.get(found.key)
    if row is None:
        return False
    return row.state in _EXPLAIN_ALL or row.s3_upload_id == found.s3_upload_id
