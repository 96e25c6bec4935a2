"""CVE-2026-41145 seen from outside: the headers that switch MinIO's signature check off."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from tests.objects.store_processes import BUCKET

EVIL = b"bytes that nobody signed"
FRAMED = b"%x\r\n%s\r\n0\r\n\r\n\r\n" % (len(EVIL), EVIL)


def test_a_forged_signature_stays_forged(edge, uploads, shelf, key):
    target, _ = uploads.single(key, b"something")
    headers = {
        "content-length": str(len(FRAMED)),
        "x-amz-checksum-sha256": b64encode(sha256(EVIL).digest()).decode(),
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(EVIL)),
    }
    answer = edge.upload("PUT", target[:-64] + "0" * 64, body=FRAMED, headers=headers)
    assert (answer.status, answer.code) == (403, "upload-url-refused")
    assert edge.download(shelf.ticket(f"/{BUCKET}/{key}")).code == "not-found"
