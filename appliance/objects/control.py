"""Control calls: everything the gateway and the workers ask of the store, and never a file's byte.

For every call: it is tried up to three times when the store doesn't answer or answers 5xx; then
StoreUnavailable, or StoreFull, is raised (errors.py), and the same call may be made again later.
What is said below is only what differs. A call that was cut off may have worked: each docstring
says what doing it again does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from appliance.domain.errors import StoreUnavailable
from appliance.objects.connection import COMPLETE_SECONDS, s3_client, s3_session
from appliance.objects.errors import InvalidParts, NoSuchObject, store_errors
from appliance.objects.parts import StoredPart, listed, parsed
from appliance.objects.presign import MAX_PARTS
from appliance.settings import ObjectStore

__all__ = ["ObjectControl", "StoredObject", "StoredPart", "StoredUpload"]

_PAGE = 1000  # keys or uploads a call


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoredUpload:
    key: str
    s3_upload_id: str
    initiated: datetime


class ObjectControl:
    """Holds a pool of connections: use as an async context manager, one for each process."""

    def __init__(self, store: ObjectStore) -> None:
        self._bucket = store.bucket
        self._minio = store.kind == "minio"
        self._store = store
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._patient: Any = None

    async def __aenter__(self) -> Self:
        enter, session = self._stack.enter_async_context, s3_session()
        told = self._store, self._store.control
        self._client = await enter(s3_client(*told, session=session))
        self._patient = await enter(
            s3_client(*told, session=session, read_seconds=COMPLETE_SECONDS)
        )
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.aclose()

    async def create_multipart(self, key: str) -> str:
        """Begin an upload; done twice it leaves two, and the one no row knows is to be aborted.

        Created without a checksum algorithm: with one, MinIO refuses to mix in copied parts.
        """
        with store_errors():
            answer = await self._client.create_multipart_upload(Bucket=self._bucket, Key=key)
            return str(answer["UploadId"])

    async def list_parts(
        self, key: str, s3_upload_id: str, first: int = 1, last: int = MAX_PARTS
    ) -> list[StoredPart]:
        """Parts first..last (both included) that are there, by number; NoSuchUpload.

        Reads little beyond that range: about 0.03 s for ten parts, 0.3 s for a thousand. A part
        whose bytes the store holds in two ways is marked (parts.py). Changes nothing.
        """

        async def page(marker: int, most: int) -> tuple[list[StoredPart], bool]:
            with store_errors():
                answer = await self._client.list_parts(
                    Bucket=self._bucket,
                    Key=key,
                    UploadId=s3_upload_id,
                    PartNumberMarker=marker,
                    MaxParts=most,
                )
            return [parsed(part) for part in answer.get("Parts", [])], bool(answer["IsTruncated"])

        return await listed(page, first, last, minio=self._minio)

    async def complete(self, key: str, s3_upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of (number, etag) in rising order; NoSuchUpload, InvalidParts.

        When it has worked, the second call raises NoSuchUpload on MinIO, as does one after an
        abort, and SeaweedFS answers as to the first: HEAD tells what is there. InvalidParts
        changes nothing. Waits COMPLETE_SECONDS: a caller who hangs up makes MinIO stop in the
        middle, and it may lose the upload then.
        """
        if not parts:
            raise InvalidParts("NoParts")
        chosen = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        with store_errors():
            await self._patient.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=s3_upload_id,
                MultipartUpload={"Parts": chosen},
            )

    async def abort(self, key: str, s3_upload_id: str) -> bool:
        """Drop the upload and its parts; False when the store knows no such upload. Idempotent.

        A Complete at the same time may win: HEAD and delete afterwards.
        """
        with store_errors():
            try:
                await self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=s3_upload_id
                )
            except self._client.exceptions.NoSuchUpload:
                return False
        return True

    async def head(self, key: str) -> int | None:
        """Size in bytes, or None when there is no such object. Changes nothing."""
        try:
            with store_errors():
                answer = await self._client.head_object(Bucket=self._bucket, Key=key)
        except NoSuchObject:
            return None
        return int(answer["ContentLength"])

    async def delete(self, key: str) -> None:
        """Idempotent: what isn't there is deleted. A replayed URL may bring it back."""
        with store_errors():
            await self._client.delete_object(Bucket=self._bucket, Key=key)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete any number, a thousand a call. Idempotent; when some fail, StoreUnavailable."""
        for start in range(0, len(keys), _PAGE):
            batch = [{"Key": key} for key in keys[start : start + _PAGE]]
            with store_errors():
                answer = await self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
            failed = [error for error in answer.get("Errors", []) if error["Code"] != "NoSuchKey"]
            if failed:
                raise StoreUnavailable(
                    f"{len(failed)} of {len(batch)} objects couldn't be deleted", retry_after=2.0
                )

    async def list_prefix(self, prefix: str) -> list[StoredObject]:
        """All objects under a batch's prefix, by key: 0.1 s for a thousand, just written or not."""
        found: list[StoredObject] = []
        token: dict[str, str] = {}
        while True:
            with store_errors():
                answer = await self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, MaxKeys=_PAGE, **token
                )
            found += [
                StoredObject(entry["Key"], int(entry["Size"]), str(entry["ETag"]))
                for entry in answer.get("Contents", [])
            ]
            if not answer.get("IsTruncated"):
                return found
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    async def list_uploads(self, prefix: str) -> AsyncIterator[StoredUpload]:
        """Unfinished uploads, for the comparison with the rows.

        MinIO answers for `prefix` as one whole key only (and for the empty one with what was
        begun since it started), so the comparison asks key by key there.
        """
        markers: dict[str, str] = {}
        while True:
            with store_errors():
                answer = await self._client.list_multipart_uploads(
                    Bucket=self._bucket, Prefix=prefix, MaxUploads=_PAGE, **markers
                )
            for upload in answer.get("Uploads", []):
                yield StoredUpload(str(upload["Key"]), str(upload["UploadId"]), upload["Initiated"])
            if not answer.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": answer["NextKeyMarker"],
                "UploadIdMarker": answer["NextUploadIdMarker"],
            }

    async def ping(self) -> None:
        """Whether the store answers this credential for our bucket; for readiness."""
        with store_errors():
            await self._client.head_bucket(Bucket=self._bucket)
