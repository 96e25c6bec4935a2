"""Reading back with the scrub credential: what is stored, and its bytes, to be checked.

Downloads never come this way: they are nginx's, with the edge credential. Used by workers, which
hold one object's piece at a time in memory, whatever the object's size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from appliance.domain.errors import StoreUnavailable
from appliance.objects.connection import s3_client
from appliance.objects.errors import RETRY_SOON, store_errors
from appliance.settings import ObjectStore

__all__ = ["PIECE", "ListedObject", "ObjectReader"]

PIECE = 1 << 20  # bytes read at once
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ListedObject:
    key: str
    size: int
    modified: datetime


class ObjectReader:
    """Holds a pool of connections: use as an async context manager."""

    def __init__(self, store: ObjectStore) -> None:
        self._bucket = store.bucket
        self._context: AbstractAsyncContextManager[Any] = s3_client(store, store.scrub)
        self._client: Any = None

    async def __aenter__(self) -> Self:
        self._client = await self._context.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._context.__aexit__(*raised)

    async def read(
        self, key: str, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The object's bytes, or `length` of them from `offset`, in pieces of up to 1 MiB.

        NoSuchObject before the first piece. StoreUnavailable at any piece, also when the store
        sends fewer bytes than it said: what has been read until then proves nothing, and the
        reader begins again. Beginning is tried again by itself, going on is not.
        """
        if length == 0:
            return
        extra = {}
        if offset or length is not None:
            last = "" if length is None else str(offset + length - 1)
            extra = {"Range": f"bytes={offset}-{last}"}
        with store_errors():
            answer = await self._client.get_object(Bucket=self._bucket, Key=key, **extra)
            expected, got = int(answer["ContentLength"]), 0
            async with answer["Body"] as body:
                while piece := await body.read(PIECE):
                    got += len(piece)
                    yield piece
        if got != expected or (length is not None and got != length):
            raise StoreUnavailable("the object's bytes end too early", retry_after=RETRY_SOON)

    async def list_all(self, prefix: str, after: str = "") -> AsyncIterator[list[ListedObject]]:
        """Pages of up to a thousand objects under `prefix` whose key is beyond `after`, by key.

        `after` is the last key seen, so a worker can go on after a crash. What is written or
        deleted in the meantime may or may not be there.
        """
        while True:
            with store_errors():
                answer = await self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=_PAGE
                )
            page = [
                ListedObject(entry["Key"], int(entry["Size"]), entry["LastModified"])
                for entry in answer.get("Contents", [])
            ]
            if page:
                yield page
                after = page[-1].key
            if not page or not answer.get("IsTruncated"):
                return
