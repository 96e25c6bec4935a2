"""The upload host in front of real stores: what passes, and that nothing else does."""

from __future__ import annotations

import hashlib
import http.client
import random
from base64 import b64encode

import pytest
from minio.datatypes import Part

from tests.objects.store_processes import BUCKET

MIB = 1 << 20
BODY = random.Random(4).randbytes(300_000)


def test_whole_object_comes_out_as_it_went_in(edge, uploads, shelf, key):
    target, headers = uploads.single(key, BODY)
    put = edge.upload("PUT", target, body=BODY, headers=headers)
    assert put.status == 200, put.body
    assert put.headers["ETag"]
    assert put.headers["Access-Control-Allow-Origin"] == edge.options.api_url
    assert "ETag" in put.headers["Access-Control-Expose-Headers"]
    assert not [name for name in put.headers if name.lower().startswith(("x-amz", "x-minio"))]
    assert edge.download(shelf.ticket(f"/{BUCKET}/{key}")).body == BODY


def test_an_object_is_never_written_twice(edge, uploads, key):
    """nginx adds `If-None-Match: *`; the client's own header doesn't reach the store."""
    target, headers = uploads.single(key, BODY)
    assert edge.upload("PUT", target, body=BODY, headers=headers).status == 200
    again = edge.upload("PUT", target, body=BODY, headers={**headers, "If-None-Match": '"x"'})
    assert (again.status, again.code) == (412, "object-exists")


def test_parts(edge, uploads, root, shelf, key):
    first, second = random.Random(5).randbytes(5 * MIB), BODY
    upload = root._create_multipart_upload(BUCKET, key, {})
    etags = []
    for number, body in ((1, first), (2, second)):
        target, headers = uploads.part(key, upload, number, body)
        put = edge.upload("PUT", target, body=body, headers=headers)
        assert put.status == 200, put.body
        etags.append(put.headers["ETag"])
        again = edge.upload("PUT", target, body=body, headers=headers)
        assert again.status == 200  # a repeated part is harmless
    parts = [Part(number, etag.strip('"')) for number, etag in enumerate(etags, 1)]
    root._complete_multipart_upload(BUCKET, key, upload, parts)
    assert edge.download(shelf.ticket(f"/{BUCKET}/{key}")).body == first + second
    target, headers = uploads.part(key, upload, 1, first)
    late = edge.upload("PUT", target, body=first, headers=headers)
    assert (late.status, late.code) == (404, "upload-gone")


def test_other_bytes_are_refused(edge, uploads, shelf, key):
    target, headers = uploads.single(key, BODY)
    other = bytes([BODY[0] ^ 1]) + BODY[1:]
    answer = edge.upload("PUT", target, body=other, headers=headers)
    assert (answer.status, answer.code) == (400, "upload-bytes-refused")
    assert edge.download(shelf.ticket(f"/{BUCKET}/{key}")).code == "not-found"


def test_other_length_and_other_checksum_are_refused(edge, uploads, key):
    target, headers = uploads.single(key, BODY)
    longer = edge.upload(
        "PUT", target, body=BODY + b"x", headers={**headers, "content-length": str(len(BODY) + 1)}
    )
    assert (longer.status, longer.code) == (403, "upload-url-refused")
    own = b64encode(hashlib.sha256(b"evil").digest()).decode()
    changed = edge.upload(
        "PUT",
        target,
        body=b"evil",
        headers={"content-length": "4", "x-amz-checksum-sha256": own},
    )
    assert (changed.status, changed.code) == (403, "upload-url-refused")


def test_expired_url(edge, uploads, key):
    target, headers = uploads.single(key, BODY, age=3600)
    answer = edge.upload("PUT", target, body=BODY, headers=headers)
    assert (answer.status, answer.code) == (403, "upload-url-refused")
    assert b"127.0.0.1" not in answer.body


def test_copy_source_never_reaches_the_store(edge, uploads, shelf, key):
    """MinIO would obey it on a URL that any credential allowed to read had signed."""
    secret = shelf.put(b"somebody else's file")
    target, headers = uploads.single(key, BODY)
    headers = {**headers, "x-amz-copy-source": secret, "X-Amz-Copy-Source-Range": "bytes=0-3"}
    assert edge.upload("PUT", target, body=BODY, headers=headers).status == 200
    assert edge.download(shelf.ticket(f"/{BUCKET}/{key}")).body == BODY


def test_unsigned_headers_do_not_reach_the_store(edge, uploads, root, key):
    target, headers = uploads.single(key, BODY)
    extra = {
        "x-amz-meta-evil": "1",
        "x-amz-acl": "public-read",
        "x-amz-tagging": "a=b",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-website-redirect-location": "/elsewhere",
        "Authorization": "AWS4-HMAC-SHA256 Credential=x",
        "Expires": "Thu, 01 Dec 2033 16:00:00 GMT",
        "Content-Encoding": "gzip",
    }
    assert edge.upload("PUT", target, body=BODY, headers={**headers, **extra}).status == 200
    stat = root.stat_object(BUCKET, key)
    kept = {name.lower() for name in stat.metadata}
    assert not kept & {name.lower() for name in extra}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH", "COPY", "MKCOL"])
def test_other_methods(edge, uploads, key, method):
    target, _ = uploads.single(key, BODY)
    assert edge.upload(method, target).status == 403


SIGNED = f"X-Amz-Signature={'0' * 64}"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/stowbay",
        "/stowbay?delete",
        "/stowbay/blobs/",
        "/stowbay/blobs/aa",
        "/stowbay/blobs/aa?" + SIGNED[:-1],
        "/stowbay/other/aa?" + SIGNED,
        "/stowbay2/blobs/aa?" + SIGNED,
        "/stowbay/blobs/../other/aa?" + SIGNED,
        "/stowbay/blobs/%2e%2e/other?" + SIGNED,
        "/stowbay/blobs//aa?" + SIGNED,
        "//stowbay/blobs/aa?" + SIGNED,
        "/stowbay/blobs/aa?acl&" + SIGNED,
        "/stowbay/blobs/aa?tagging=&" + SIGNED,
        "/stowbay/blobs/aa?retention=x&" + SIGNED,
        "/stowbay/blobs/aa?uploads=&" + SIGNED,
        "/stowbay/blobs/aa?uploadId=x&" + SIGNED,
        "/stowbay/blobs/aa?partNumber=1&" + SIGNED,
        "/stowbay/blobs/aa?partNumber=1&uploadId=x",
        "/stowbay/blobs/aa?partNumber=123456&uploadId=x&" + SIGNED,
        "/stowbay/blobs/aa?X-Amz-Copy-Source=%2Fstowbay%2Fblobs%2Fbb&" + SIGNED,
        "/stowbay/blobs/aa?x-amz-copy-source=%2Fstowbay%2Fblobs%2Fbb&" + SIGNED,
        "/stowbay/blobs/aa?X-Amz-Acl=public-read&" + SIGNED,
        "/stowbay/blobs/aa?x-id=PutObject&" + SIGNED,
        "/stowbay/blobs/aa?X-Amz-Date=1;acl&" + SIGNED,
        "/stowbay/blobs/aa?X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER&" + SIGNED,
        "/minio/admin/v3/info",
        "/minio/health/live",
        "/healthz",
        "/metrics",
        "/status",
    ],
)
def test_other_targets(edge, target):
    for method in ("PUT", "GET", "POST"):
        answer = edge.upload(method, target, body=b"x")
        assert (answer.status, answer.code) == (403, "upload-url-refused")


def test_a_body_without_length(edge, uploads, key):
    target, headers = uploads.single(key, BODY)
    del headers["content-length"]
    connection = edge.connect(edge.options.upload_port)
    connection.request("PUT", target, body=iter([BODY]), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 411
    connection.close()


def test_preflight(edge, uploads, key):
    target, _ = uploads.single(key, BODY)
    answer = edge.upload("OPTIONS", target, headers={"Origin": edge.options.api_url})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "PUT"
    assert "x-amz-checksum-sha256" in answer.headers["Access-Control-Allow-Headers"]
    assert edge.upload("OPTIONS", "/").status == 403


def test_no_http2_on_the_upload_host(edge):
    context = edge.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    chosen = {}
    for port in (edge.options.api_port, edge.options.upload_port):
        connection = http.client.HTTPSConnection("localhost", port, context=context)
        connection.connect()
        chosen[port] = connection.sock.selected_alpn_protocol()
        connection.close()
    assert chosen == {edge.options.api_port: "h2", edge.options.upload_port: "http/1.1"}


def test_bytes_on_the_way_touch_no_disk(edge, uploads, key):
    body = random.Random(6).randbytes(16 * MIB)
    target, headers = uploads.single(key, body)
    connection = edge.connect(edge.options.upload_port)
    connection.putrequest("PUT", target)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body[: 12 * MIB])
    found = [
        path
        for path in edge.folder.rglob("*")
        if path.is_file() and body[1000:1100] in path.read_bytes()
    ]
    connection.send(body[12 * MIB :])
    assert connection.getresponse().status == 200
    connection.close()
    assert found == []


def test_logs_hold_no_signature(edge, uploads, key):
    target, headers = uploads.single(key, BODY)
    edge.upload("PUT", target, body=BODY, headers=headers)
    signature = target.rpartition("=")[2]
    assert signature not in edge.logged("nginx-upload.log", key)
    assert signature not in edge.log("nginx-error.log")
