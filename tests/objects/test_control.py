"""The control calls, on both stores: answers, idempotency, errors."""

from __future__ import annotations

import asyncio
import secrets
from hashlib import sha256

import pytest

from appliance.domain.errors import StoreUnavailable
from appliance.objects.control import ObjectControl
from appliance.objects.errors import InvalidParts, NoSuchObject, NoSuchUpload
from appliance.objects.keys import batch_key, batch_prefix, single_key
from appliance.settings import Credential, ObjectStore
from tests.objects.conftest import PART
from tests.objects.store_processes import free_ports

LAST = b"the short last part"


def replaced(settings: ObjectStore, **fields) -> ObjectStore:
    import msgspec

    return msgspec.structs.replace(settings, **fields)


async def sent_parts(key, control, uploader, *bodies: bytes) -> tuple[str, list[tuple[int, str]]]:
    s3_upload_id = await control.create_multipart(key)
    etags = []
    for number, body in enumerate(bodies, 1):
        status, etag = await uploader.send(uploader.part(key, s3_upload_id, number, body), body)
        assert status == 200
        etags.append((number, etag))
    return s3_upload_id, etags


async def test_parts_become_the_object(key, control, uploader, reader):
    bodies = [secrets.token_bytes(PART), secrets.token_bytes(PART + 1), LAST]
    s3_upload_id, etags = await sent_parts(key, control, uploader, *bodies)
    assert await control.head(key) is None
    await control.complete(key, s3_upload_id, etags)
    assert await control.head(key) == sum(map(len, bodies))
    assert b"".join([piece async for piece in reader.read(key)]) == b"".join(bodies)


async def test_numbers_of_five_digits_are_in_their_place(key, control, uploader, reader):
    """SeaweedFS keeps part 10,000 under a name that sorts before part 1,000's."""
    bodies = {number: secrets.token_bytes(PART) for number in (2, 1000, 1001)} | {10_000: LAST}
    s3_upload_id = await control.create_multipart(key)
    for number, body in bodies.items():
        put = uploader.part(key, s3_upload_id, number, body)
        assert (await uploader.send(put, body))[0] == 200
    for first, last in ((1, 10_000), (999, 1000), (1000, 1001), (1001, 10_000), (1002, 9999)):
        listed = await control.list_parts(key, s3_upload_id, first, last)
        assert [part.number for part in listed] == [n for n in bodies if first <= n <= last]
    listed = await control.list_parts(key, s3_upload_id)
    await control.complete(key, s3_upload_id, [(part.number, part.etag) for part in listed])
    assert b"".join([piece async for piece in reader.read(key)]) == b"".join(bodies.values())


async def test_completing_twice_changes_nothing_and_head_tells_that_it_worked(
    key, control, uploader, store
):
    s3_upload_id, etags = await sent_parts(key, control, uploader, LAST)
    await control.complete(key, s3_upload_id, etags)
    if store.kind == "minio":
        with pytest.raises(NoSuchUpload):
            await control.complete(key, s3_upload_id, etags)
    else:
        await control.complete(key, s3_upload_id, etags)
    assert await control.head(key) == len(LAST)


async def test_abort_leaves_nothing_and_may_be_repeated(key, control, uploader):
    s3_upload_id, etags = await sent_parts(key, control, uploader, LAST)
    await control.abort(key, s3_upload_id)
    await control.abort(key, s3_upload_id)
    with pytest.raises(NoSuchUpload):
        await control.complete(key, s3_upload_id, etags)
    with pytest.raises(NoSuchUpload):
        await control.list_parts(key, s3_upload_id)
    assert await control.head(key) is None


async def test_abort_after_complete_keeps_the_object(key, control, uploader):
    s3_upload_id, etags = await sent_parts(key, control, uploader, LAST)
    await control.complete(key, s3_upload_id, etags)
    await control.abort(key, s3_upload_id)
    assert await control.head(key) == len(LAST)


async def test_a_small_part_that_isnt_the_last_is_refused_and_the_upload_lives_on(
    key, control, uploader
):
    s3_upload_id, etags = await sent_parts(key, control, uploader, b"too small", LAST)
    with pytest.raises(InvalidParts) as refused:
        await control.complete(key, s3_upload_id, etags)
    assert refused.value.reason == "EntityTooSmall"
    assert [part.number for part in await control.list_parts(key, s3_upload_id)] == [1, 2]
    assert await control.head(key) is None
    await control.abort(key, s3_upload_id)


@pytest.mark.parametrize(
    "parts",
    [
        [(1, '"00000000000000000000000000000000"')],
        [(7, '"00000000000000000000000000000000"')],
        [],
    ],
    ids=["false ETag", "part never sent", "no parts"],
)
async def test_false_parts_are_refused(key, control, uploader, parts):
    s3_upload_id, _ = await sent_parts(key, control, uploader, LAST)
    with pytest.raises(InvalidParts):
        await control.complete(key, s3_upload_id, parts)
    assert await control.head(key) is None
    await control.abort(key, s3_upload_id)


async def test_only_the_asked_range_of_parts_is_listed(key, control, uploader, store):
    s3_upload_id = await control.create_multipart(key)
    bodies = {number: b"part %d" % number for number in (1, 2, 3, 5, 8, 9, 10_000)}
    for number, body in bodies.items():
        put = uploader.part(key, s3_upload_id, number, body)
        assert (await uploader.send(put, body))[0] == 200

    async def numbers(first: int, last: int) -> list[int]:
        return [part.number for part in await control.list_parts(key, s3_upload_id, first, last)]

    assert await numbers(1, 10_000) == sorted(bodies)
    for first in range(1, 12):
        for last in range(first, 12):
            assert await numbers(first, last) == [n for n in sorted(bodies) if first <= n <= last]
    assert await numbers(5000, 9999) == []
    assert await numbers(5000, 10_000) == [10_000]
    assert await numbers(10_000, 10_000) == [10_000]
    assert await numbers(9_999, 9_999) == []
    for part in await control.list_parts(key, s3_upload_id, 1, 9):
        assert part.size == len(bodies[part.number])
        assert not part.ambiguous
        expected = sha256(bodies[part.number]).digest() if store.kind == "minio" else None
        assert part.sha256 == expected
    await control.abort(key, s3_upload_id)


async def test_a_part_sent_twice_is_one_part(key, control, uploader):
    s3_upload_id = await control.create_multipart(key)
    for _ in range(3):
        for number in (1, 2, 3):
            put = uploader.part(key, s3_upload_id, number, LAST)
            assert (await uploader.send(put, LAST))[0] == 200
    listed = await control.list_parts(key, s3_upload_id, 1, 3)
    assert [(part.number, part.size, part.ambiguous) for part in listed] == [
        (number, len(LAST), False) for number in (1, 2, 3)
    ]
    await control.abort(key, s3_upload_id)


async def test_many_repeats_hide_no_part(key, control, uploader):
    s3_upload_id = await control.create_multipart(key)
    for number, times in ((1, 1), (2, 30), (3, 12), (4, 1), (10_000, 14)):
        put = uploader.part(key, s3_upload_id, number, LAST)
        answers = [await uploader.send(put, LAST) for _ in range(times)]
        assert {status for status, _ in answers} == {200}
    for first, last in ((1, 4), (2, 2), (2, 3), (3, 4), (4, 4), (1, 10_000), (5, 10_000)):
        listed = await control.list_parts(key, s3_upload_id, first, last)
        expected = [number for number in (1, 2, 3, 4, 10_000) if first <= number <= last]
        assert [part.number for part in listed] == expected
        assert not any(part.ambiguous for part in listed)
    await control.abort(key, s3_upload_id)


async def test_other_bytes_under_one_part_number_are_told(key, control, uploader, store):
    """Only a mistake of ours could sign both; SeaweedFS could then take either."""
    s3_upload_id = await control.create_multipart(key)
    for body in (b"first", b"second!"):
        put = uploader.part(key, s3_upload_id, 1, body)
        assert (await uploader.send(put, body))[0] == 200
    (part,) = await control.list_parts(key, s3_upload_id, 1, 1)
    if store.kind == "minio":
        assert (part.size, part.ambiguous) == (len(b"second!"), False)
    else:
        assert part.ambiguous
    await control.abort(key, s3_upload_id)


async def test_a_batch_is_verified_by_one_list(control, uploader, http):
    prefix = batch_prefix(7, secrets.token_bytes(16))
    keys = [batch_key(prefix, number) for number in range(1, 21)]
    other = batch_key(batch_prefix(7, secrets.token_bytes(16)), 1)
    for key in [*keys, other]:
        assert (await uploader.send(uploader.single(key, LAST), LAST))[0] == 200
    listed = await control.list_prefix(prefix)
    assert [(found.key, found.size) for found in listed] == [(key, len(LAST)) for key in keys]
    assert all(found.etag for found in listed)
    await control.delete_many([*keys, batch_key(prefix, 999)])
    assert await control.list_prefix(prefix) == []
    assert await control.head(other) == len(LAST)


async def test_delete_may_be_repeated(key, control, uploader):
    await uploader.send(uploader.single(key, LAST), LAST)
    await control.delete(key)
    await control.delete(key)
    assert await control.head(key) is None


async def test_unfinished_uploads_are_found_by_their_key(key, control):
    s3_upload_id = await control.create_multipart(key)
    found = [upload async for upload in control.list_uploads(key)]
    assert [(upload.key, upload.s3_upload_id) for upload in found] == [(key, s3_upload_id)]
    await control.abort(key, s3_upload_id)
    assert [upload async for upload in control.list_uploads(key)] == []


async def test_an_upload_that_never_was(key, control):
    s3_upload_id = await control.create_multipart(key)
    await control.abort(key, s3_upload_id)
    assert await control.abort(key, s3_upload_id) in (True, False)
    with pytest.raises(NoSuchUpload):
        await control.list_parts(key, "no-such-upload")
    with pytest.raises(NoSuchUpload):
        await control.complete(key, "no-such-upload", [(1, '"0"')])


async def test_reading_what_isnt_there(key, reader):
    with pytest.raises(NoSuchObject):
        [piece async for piece in reader.read(key)]


async def test_reading_a_range(key, uploader, reader):
    body = secrets.token_bytes(3 << 20)
    await uploader.send(uploader.single(key, body), body)
    for offset, length in ((0, None), (5, 10), (1 << 20, 1 << 20), (100, None), (7, 0)):
        end = None if length is None else offset + length
        got = [piece async for piece in reader.read(key, offset, length)]
        assert b"".join(got) == body[offset:end]
        assert all(len(piece) <= 1 << 20 for piece in got)


async def test_everything_is_listed_in_pages_that_can_be_resumed(uploader, reader):
    space = secrets.randbits(62) + 1
    prefix = batch_prefix(space, secrets.token_bytes(16))
    keys = [batch_key(prefix, number) for number in range(1, 8)]
    for key in keys:
        await uploader.send(uploader.single(key, LAST), LAST)
    pages = [page async for page in reader.list_all(prefix)]
    assert [found.key for page in pages for found in page] == keys
    rest = [page async for page in reader.list_all(prefix, after=keys[2])]
    assert [found.key for page in rest for found in page] == keys[3:]
    assert {found.size for page in rest for found in page} == {len(LAST)}
    assert all(found.modified.tzinfo for page in rest for found in page)


async def test_ping(control):
    await control.ping()


async def test_no_store_is_unavailable_and_says_when_to_try_again(store, key):
    gone = replaced(store.settings, endpoint=f"http://127.0.0.1:{free_ports(1)[0]}")
    async with ObjectControl(gone) as control:
        with pytest.raises(StoreUnavailable) as refused:
            await control.head(key)
    assert refused.value.retry_after
    assert "127.0.0.1" not in str(refused.value)


async def test_a_wrong_credential_is_the_stores_trouble_not_the_askers(store, key):
    wrong = replaced(store.settings, control=Credential(store.settings.control.access_key, "no"))
    async with ObjectControl(wrong) as control:
        with pytest.raises(StoreUnavailable):
            await control.head(key)
        with pytest.raises(StoreUnavailable):
            await control.ping()


async def test_complete_against_abort_ends_in_one_of_two_states(control, uploader):
    """Both may say that they worked: who wins is decided in the database, and HEAD tells."""
    for attempt in range(6):
        key = single_key(attempt + 1, secrets.token_bytes(16))
        s3_upload_id, etags = await sent_parts(key, control, uploader, LAST)
        outcomes = await asyncio.gather(
            control.complete(key, s3_upload_id, etags),
            control.abort(key, s3_upload_id),
            return_exceptions=True,
        )
        for outcome in outcomes:
            assert outcome in (None, True, False) or isinstance(
                outcome, (NoSuchUpload, InvalidParts, StoreUnavailable)
            )
        assert await control.head(key) in (None, len(LAST))
        await control.delete(key)
        await control.abort(key, s3_upload_id)
        assert await control.head(key) is None
