"""CVE-2026-41145: with two headers MinIO takes a PUT without checking its signature.

The access key is enough, and every upload URL shows it. MinIO's last state has no fix (its forks
do), so the protection is nginx, which passes neither (tests/edge tries it there).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

EVIL = b"bytes that nobody signed"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
FRAMED = b"%x\r\n%s\r\n0\r\n\r\n\r\n" % (len(EVIL), EVIL)
CHECKSUM = {"x-amz-checksum-sha256": b64encode(sha256(EVIL).digest()).decode()}

HEADERS = {
    **CHECKSUM,
    "x-amz-content-sha256": TRAILER,
    "x-amz-decoded-content-length": str(len(EVIL)),
}


def forged(url: str) -> str:
    return url[:-64] + "0" * 64


@pytest.mark.parametrize("where", ["nowhere", "query", "content-encoding"])
async def test_without_the_headers_a_forged_signature_is_refused(
    key, control, uploader, http, where
):
    url = forged(uploader.single(key, b"something").url)
    headers = dict(CHECKSUM)
    if where == "query":
        url += f"&X-Amz-Content-Sha256={TRAILER}"
    if where == "content-encoding":
        headers["content-encoding"] = "aws-chunked"
    async with http.put(url, data=FRAMED, headers=headers) as answer:
        assert answer.status == 403
    assert await control.head(key) is None


async def test_with_the_headers_minio_checks_nothing(store, key, control, uploader, http):
    """When this fails for MinIO, the binary has the fix; nginx still drops the headers."""
    url = forged(uploader.single(key, b"something").url)
    async with http.put(url, data=FRAMED, headers=HEADERS) as answer:
        assert answer.status == (200 if store.kind == "minio" else 403)
    assert await control.head(key) == (len(EVIL) if store.kind == "minio" else None)


async def test_it_reaches_no_further_than_the_signers_rights(store, key, control, uploader, http):
    url = forged(uploader.single(key, b"something").url).replace("/blobs/", "/elsewhere/")
    async with http.put(url, data=FRAMED, headers=HEADERS) as answer:
        assert answer.status == 403
