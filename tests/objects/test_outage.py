"""A store killed with -9 and started again, under the same clients."""

from __future__ import annotations

import asyncio
import secrets
import time

import aiohttp
import pytest

from appliance.domain.errors import StoreUnavailable
from appliance.objects.control import ObjectControl
from appliance.objects.presign import Presigner
from appliance.objects.reader import ObjectReader
from tests.objects.conftest import PART, Uploader
from tests.objects.store_processes import new_place, started


@pytest.mark.parametrize("kind", ["minio", "seaweedfs"])
async def test_what_was_acknowledged_survives_and_the_clients_recover(kind, tmp_path, key):
    place = new_place(kind, tmp_path)
    settings = place.settings
    body, first, last = secrets.token_bytes(100_000), secrets.token_bytes(PART), b"the end"
    single, multi = key, key[:-1] + "x"
    async with (
        ObjectControl(settings) as control,
        ObjectReader(settings) as reader,
        aiohttp.ClientSession() as http,
    ):
        uploader = Uploader(
            Presigner(settings.endpoint, settings.region, settings.bucket, settings.signer), http
        )
        with started(place):
            assert (await uploader.send(uploader.single(single, body), body))[0] == 200
            s3_upload_id = await control.create_multipart(multi)
            put = uploader.part(multi, s3_upload_id, 1, first)
            status, etag = await uploader.send(put, first)
            assert status == 200

        begun = time.monotonic()
        outcomes = await asyncio.gather(
            control.head(single),
            control.create_multipart(single),
            control.list_parts(multi, s3_upload_id),
            control.complete(multi, s3_upload_id, [(1, etag)]),
            control.abort(multi, s3_upload_id),
            control.delete(single),
            control.delete_many([single]),
            control.list_prefix(single),
            control.ping(),
            anext(control.list_uploads(multi)),
            anext(reader.read(single)),
            anext(reader.list_all("blobs/")),
            return_exceptions=True,
        )
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
        assert time.monotonic() - begun < 20

        with started(place):
            assert b"".join([piece async for piece in reader.read(single)]) == body
            assert [part.etag for part in await control.list_parts(multi, s3_upload_id)] == [etag]
            put = uploader.part(multi, s3_upload_id, 2, last)
            status, end = await uploader.send(put, last)
            assert status == 200
            await control.complete(multi, s3_upload_id, [(1, etag), (2, end)])
            assert b"".join([piece async for piece in reader.read(multi)]) == first + last
