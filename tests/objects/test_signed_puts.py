"""What the store itself refuses and takes when a client sends a presigned PUT, right or wrong.

These are the protections that hold with nginx removed; the edge's tests remove the others.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

import pytest

from tests.objects.conftest import MIB, PART

BODY = b"the bytes that were signed" * 1000


def checksum(body: bytes) -> str:
    return b64encode(sha256(body).digest()).decode()


@pytest.fixture(params=["single", "part"])
async def signed(request, key, control, uploader):
    """A signed PUT for BODY, as a whole object and as a part of an upload."""
    if request.param == "single":
        yield uploader.single(key, BODY)
    else:
        s3_upload_id = await control.create_multipart(key)
        yield uploader.part(key, s3_upload_id, 1, BODY)
        await control.abort(key, s3_upload_id)


async def test_the_signed_bytes_are_taken_and_so_is_their_replay(signed, uploader):
    first, etag = await uploader.send(signed, BODY)
    again, same = await uploader.send(signed, BODY)
    assert (first, again) == (200, 200)
    assert etag == same


async def test_other_bytes_of_the_same_length_are_refused(signed, uploader):
    status, _ = await uploader.send(signed, b"X" + BODY[1:])
    assert status == 400


async def test_another_length_is_refused(signed, uploader):
    for body in (BODY + b"!", BODY[:-1], b""):
        status, _ = await uploader.send(signed, body)
        assert status in (400, 403)


async def test_other_bytes_with_their_own_checksum_are_refused(signed, uploader):
    other = b"X" + BODY[1:]
    status, _ = await uploader.send(signed, other, **{"x-amz-checksum-sha256": checksum(other)})
    assert status == 403


async def test_without_the_checksum_header_nothing_is_taken(signed, uploader):
    status, _ = await uploader.send(signed, BODY, **{"x-amz-checksum-sha256": ""})
    assert status in (400, 403)


async def test_a_body_without_a_length_is_refused(signed, uploader):
    async def pieces():
        yield BODY

    status, _ = await uploader.send(signed, pieces())
    assert status in (400, 403, 411)


async def test_a_changed_url_is_refused(signed, uploader, http):
    for old, new in (
        ("/blobs/", "/blobs/0"),
        ("X-Amz-Expires=600", "X-Amz-Expires=601"),
        ("content-length%3B", ""),
        ("%3Bx-amz-checksum-sha256", ""),
    ):
        assert old in signed.url
        async with http.put(
            signed.url.replace(old, new, 1),
            data=BODY,
            headers={"x-amz-checksum-sha256": checksum(BODY)},
        ) as answer:
            assert answer.status in (400, 403)


async def test_other_methods_are_refused(signed, http):
    for method in ("GET", "DELETE", "POST", "HEAD"):
        async with http.request(method, signed.url) as answer:
            assert answer.status in (400, 403, 404, 405, 411)


async def test_nothing_that_was_refused_left_anything(key, control, uploader):
    put = uploader.single(key, BODY)
    await uploader.send(put, b"X" + BODY[1:])
    await uploader.send(put, BODY, **{"x-amz-checksum-sha256": ""})
    assert await control.head(key) is None


async def test_an_expired_url_is_refused(key, control, uploader):
    past = datetime.now(UTC) - timedelta(minutes=10)
    put = uploader.single(key, BODY, now=past, expires=timedelta(minutes=5))
    status, _ = await uploader.send(put, BODY)
    assert status == 403
    assert await control.head(key) is None


async def test_if_none_match_lets_one_of_many_win(key, control, uploader):
    put = uploader.single(key, BODY)
    answers = await asyncio.gather(
        *(uploader.send(put, BODY, **{"If-None-Match": "*"}) for _ in range(4))
    )
    statuses = sorted(status for status, _ in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
    assert (await uploader.send(put, BODY, **{"If-None-Match": "*"}))[0] == 412
    assert await control.head(key) == len(BODY)


async def test_if_none_match_does_a_part_no_harm(key, control, uploader):
    s3_upload_id = await control.create_multipart(key)
    put = uploader.part(key, s3_upload_id, 1, BODY)
    assert (await uploader.send(put, BODY, **{"If-None-Match": "*"}))[0] == 200
    await control.abort(key, s3_upload_id)


async def test_the_signer_reads_nothing_through_a_copy(store, key, control, uploader):
    """The store obeys an unsigned copy-source header, and refuses as the signer can't read."""
    secret = key + "00000000"
    assert (await uploader.send(uploader.single(secret, BODY), BODY))[0] == 200
    source = {"x-amz-copy-source": f"/{store.settings.bucket}/{secret}"}
    whole = uploader.single(key, BODY)
    status, _ = await uploader.send(whole, BODY, **source)
    assert status == 403
    assert await control.head(key) is None
    s3_upload_id = await control.create_multipart(key)
    part = uploader.part(key, s3_upload_id, 1, BODY)
    assert (await uploader.send(part, BODY, **source))[0] == 403
    assert await control.list_parts(key, s3_upload_id) == []
    await control.abort(key, s3_upload_id)


async def test_with_a_credential_that_reads_the_copy_would_work(store, key, control, http):
    """Why the signer may not read: with the control credential in the URL MinIO's hole is open.

    SeaweedFS refuses every x-amz header that isn't signed.
    """
    from appliance.objects.presign import Presigner

    body = b"a" * MIB
    signer = Presigner(store.settings.endpoint, "us-east-1", "stowbay", store.settings.control)
    soon = {"now": datetime.now(UTC), "expires": timedelta(minutes=1)}
    put = signer.put_url(key, sha256(body).digest(), len(body), **soon)
    async with http.put(put.url, data=body, headers={"x-amz-checksum-sha256": checksum(body)}) as a:
        assert a.status == 200
    thief = signer.put_url(key + "0", sha256(b"x").digest(), 1, **soon)
    async with http.put(
        thief.url,
        data=b"x",
        headers={
            "x-amz-checksum-sha256": checksum(b"x"),
            "x-amz-copy-source": f"/{store.settings.bucket}/{key}",
        },
    ) as answer:
        await answer.read()
        assert answer.status == (200 if store.kind == "minio" else 403)
    assert await control.head(key + "0") == (len(body) if store.kind == "minio" else None)


async def test_a_part_url_is_dead_after_complete_and_after_abort(key, control, uploader):
    body = b"p" * PART
    s3_upload_id = await control.create_multipart(key)
    put = uploader.part(key, s3_upload_id, 1, body)
    _, etag = await uploader.send(put, body)
    await control.complete(key, s3_upload_id, [(1, etag)])
    assert (await uploader.send(put, body))[0] == 404
    s3_upload_id = await control.create_multipart(key + "1")
    put = uploader.part(key + "1", s3_upload_id, 1, body)
    await control.abort(key + "1", s3_upload_id)
    assert (await uploader.send(put, body))[0] == 404
    assert await control.head(key + "1") is None


async def test_a_single_url_brings_a_deleted_object_back_so_it_is_purged_once_more(
    key, control, uploader
):
    put = uploader.single(key, BODY)
    await uploader.send(put, BODY)
    await control.delete(key)
    assert (await uploader.send(put, BODY))[0] == 200
    assert await control.head(key) == len(BODY)
    await control.delete(key)
    assert await control.head(key) is None


async def test_the_url_is_for_the_endpoint_it_names(store, uploader, key):
    assert (
        urlsplit(uploader.single(key, BODY).url).netloc == urlsplit(store.settings.endpoint).netloc
    )


async def test_a_slow_put_begun_in_time_may_land_after_the_expiry(key, control, uploader):
    """Why tombstones wait for the last URL and the longest PUT."""
    put = uploader.single(key, BODY, now=datetime.now(UTC), expires=timedelta(seconds=2))

    async def slowly():
        yield BODY[:100]
        await asyncio.sleep(3)
        yield BODY[100:]

    status, _ = await uploader.send(put, slowly(), **{"Content-Length": str(len(BODY))})
    assert status == 200
    assert await control.head(key) == len(BODY)
    assert (await uploader.send(put, BODY))[0] == 403
