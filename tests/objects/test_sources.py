"""The edge credential can be bound to the edges' addresses, and what that is worth."""

from __future__ import annotations

import asyncio
import time

import pytest

from appliance.objects.keys import single_key
from tests.objects.store_processes import change_rights

BODY = b"content of somebody's file"
FOREIGN = ("10.77.0.0/16",)


@pytest.fixture
def elsewhere(store):
    change_rights(store, edge_sources=FOREIGN)
    yield
    change_rights(store)


async def can_read(client, bucket: str, key: str) -> bool:
    try:
        await client.get_object(Bucket=bucket, Key=key)
    except client.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        return False
    return True


async def settles(expected: bool, client, bucket: str, key: str) -> bool:
    """SeaweedFS reads its file some moments after the signal."""
    end = time.monotonic() + 10
    while await can_read(client, bucket, key) != expected and time.monotonic() < end:
        await asyncio.sleep(0.1)
    return await can_read(client, bucket, key) == expected


async def test_the_edge_credential_works_only_from_its_addresses(
    store, elsewhere, key, uploader, client_of, control
):
    """MinIO also believes X-Forwarded-For, which is why nginx passes no such header."""
    await uploader.send(uploader.single(key, BODY), BODY)
    bucket = store.settings.bucket
    async with client_of("edge") as edge:
        assert await settles(False, edge, bucket, key)

        def lie(request, **_):
            request.headers["X-Forwarded-For"] = "10.77.1.2"

        edge.meta.events.register("before-send.s3.GetObject", lie)
        assert await can_read(edge, bucket, key) == (store.kind == "minio")
        edge.meta.events.unregister("before-send.s3.GetObject", lie)
        assert await control.head(key) == len(BODY)
        change_rights(store)
        assert await settles(True, edge, bucket, key)


async def test_a_key_outside_the_blobs_stays_closed_whatever_the_address(store, client_of):
    async with client_of("edge") as edge:
        outside = single_key(1, bytes(16)).replace("blobs/", "elsewhere/")
        assert not await can_read(edge, store.settings.bucket, outside)
