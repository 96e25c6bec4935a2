"""Each credential may do its own work and nothing else; each store refuses by itself."""

from __future__ import annotations

import secrets

import pytest
from botocore.exceptions import ClientError

from tests.objects.store_processes import make_ready

BODY = b"content of somebody's file"

ALLOWED = {
    "signer": {"put", "part"},
    "control": {
        "put",
        "part",
        "get",
        "head",
        "list",
        "create",
        "parts",
        "uploads",
        "complete",
        "abort",
        "delete",
        "copy",
    },
    "edge": {"get", "head"},
    "scrub": {"get", "head", "list"},
    "backup": {"get", "head", "list"},
}
# MinIO knows no right for creating and completing uploads but PutObject. A signer URL can do
# neither, as the method and the query are signed.
MINIO_SIGNER_TOO = {"create", "complete"}


async def attempts(client, root, bucket: str, key: str) -> dict[str, bool]:
    """Name of each action -> whether the store let this client do it."""
    await root.put_object(Bucket=bucket, Key=key, Body=BODY)
    created = await root.create_multipart_upload(Bucket=bucket, Key=key + "1")
    upload = {"Bucket": bucket, "Key": key + "1", "UploadId": created["UploadId"]}
    part = await root.upload_part(**upload, PartNumber=1, Body=BODY)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    sse = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    here = {"Bucket": bucket, "Key": key}
    outside = {"Bucket": bucket, "Key": "elsewhere/" + key}
    await root.put_object(**outside, Body=BODY)
    calls = {
        "put": client.put_object(Bucket=bucket, Key=key + "2", Body=BODY),
        "put outside": client.put_object(Bucket=bucket, Key="elsewhere/x", Body=BODY),
        "part": client.upload_part(**upload, PartNumber=1, Body=BODY),
        "get": client.get_object(**here),
        "get outside": client.get_object(**outside),
        "head": client.head_object(**here),
        "head outside": client.head_object(**outside),
        "list": client.list_objects_v2(Bucket=bucket, Prefix="blobs/"),
        "copy": client.copy_object(
            Bucket=bucket, Key=key + "3", CopySource={"Bucket": bucket, "Key": key}
        ),
        "create": client.create_multipart_upload(Bucket=bucket, Key=key + "4"),
        "parts": client.list_parts(**upload),
        "uploads": client.list_multipart_uploads(Bucket=bucket, Prefix=key + "1"),
        "complete": client.complete_multipart_upload(**upload, MultipartUpload=parts),
        "delete": client.delete_object(**here),
        "delete outside": client.delete_object(**outside),
        "acl": client.put_object_acl(**here, ACL="public-read"),
        "tags": client.put_object_tagging(**here, Tagging={"TagSet": []}),
        "bucket policy": client.put_bucket_policy(
            Bucket=bucket, Policy='{"Version":"2012-10-17","Statement":[]}'
        ),
        "bucket encryption": client.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration=sse
        ),
        "no encryption": client.delete_bucket_encryption(Bucket=bucket),
        "lifecycle": client.delete_bucket_lifecycle(Bucket=bucket),
        "new bucket": client.create_bucket(Bucket="another" + secrets.token_hex(4)),
        "delete bucket": client.delete_bucket(Bucket=bucket),
    }
    allowed = {name: await _try(call) for name, call in calls.items()}
    created = await root.create_multipart_upload(Bucket=bucket, Key=key + "5")
    allowed["abort"] = await _try(
        client.abort_multipart_upload(Bucket=bucket, Key=key + "5", UploadId=created["UploadId"])
    )
    return allowed


async def _try(call) -> bool:
    try:
        await call
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return False
    return True


@pytest.mark.parametrize("role", sorted(ALLOWED))
async def test_a_credential_does_its_own_work_and_no_more(store, role, client_of, key):
    async with client_of(role) as client, client_of("root") as root:
        outcome = await attempts(client, root, store.settings.bucket, key)
    expected = set(ALLOWED[role])
    if role == "signer" and store.kind == "minio":
        expected |= MINIO_SIGNER_TOO
    assert {name for name, allowed in outcome.items() if allowed} == expected


@pytest.mark.parametrize("role", sorted(ALLOWED))
async def test_no_credential_deletes_many_but_control(store, role, client_of, key):
    async with client_of("root") as root:
        await root.put_object(Bucket=store.settings.bucket, Key=key, Body=BODY)
        async with client_of(role) as client:
            try:
                answer = await client.delete_objects(
                    Bucket=store.settings.bucket, Delete={"Objects": [{"Key": key}]}
                )
            except ClientError as error:
                answer = {"Errors": [error]}
        assert bool(answer.get("Errors")) == (role != "control")
        left = await root.list_objects_v2(Bucket=store.settings.bucket, Prefix=key)
        assert left["KeyCount"] == (0 if role == "control" else 1)


async def test_without_a_credential_nothing_is_answered(store, key, control, uploader, http):
    await uploader.send(uploader.single(key, BODY), BODY)
    bucket = f"{store.settings.endpoint}/{store.settings.bucket}"
    for method, url in (
        ("GET", f"{bucket}/{key}"),
        ("HEAD", f"{bucket}/{key}"),
        ("PUT", f"{bucket}/{key}"),
        ("DELETE", f"{bucket}/{key}"),
        ("POST", f"{bucket}/{key}?uploads"),
        ("GET", f"{bucket}?list-type=2"),
        ("GET", f"{store.settings.endpoint}/"),
        ("PUT", f"{store.settings.endpoint}/otherbucket"),
        ("DELETE", bucket),
    ):
        async with http.request(method, url) as answer:
            assert answer.status in (401, 403), (method, url)
    assert await control.head(key) == len(BODY)


async def test_everything_is_encrypted_at_rest(store, key, control, uploader, client_of):
    """The answer says so, and no file of the store holds the content."""
    marker = secrets.token_hex(32).encode()
    body = marker * 40_000
    assert (await uploader.send(uploader.single(key, body), body))[0] == 200
    s3_upload_id = await control.create_multipart(key + "1")
    put = uploader.part(key + "1", s3_upload_id, 1, body)
    _, etag = await uploader.send(put, body)
    unfinished = await control.create_multipart(key + "2")
    assert (await uploader.send(uploader.part(key + "2", unfinished, 1, body), body))[0] == 200
    await control.complete(key + "1", s3_upload_id, [(1, etag)])
    async with client_of("control") as client:
        for name in (key, key + "1"):
            head = await client.head_object(Bucket=store.settings.bucket, Key=name)
            assert head["ServerSideEncryption"] == "AES256"
    files = [path for path in store.directory.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) > 3 * len(body) * 0.9
    for path in files:
        assert marker not in path.read_bytes(), path
    await control.abort(key + "2", unfinished)


async def test_provisioning_again_changes_nothing(store, key, control, uploader):
    await uploader.send(uploader.single(key, BODY), BODY)
    make_ready(store)
    assert await control.head(key) == len(BODY)
    assert (await uploader.send(uploader.single(key + "1", BODY), BODY))[0] == 200
