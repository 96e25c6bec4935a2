"""What the edge must refuse, tried as a stranger; and whether a request's headers get past it.

MinIO obeys an unsigned x-amz-copy-source on an upload URL, and checks no signature at all when
x-amz-content-sha256 says so (CVE-2026-41145). The edge passes a whitelist of headers, and only that
keeps both out. Shown by a PUT whose unsigned headers contradict it: any store refuses it, or writes
something else, as soon as it sees them. (The copy-source in it names a file of the doctor's own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.doctor.origins import Origin
from appliance.doctor.report import Line, line
from appliance.doctor.web import Web

__all__ = ["CONTRADICTING", "UNSIGNED_TRAILER", "Canary", "Probe", "judge", "look"]

_REFUSALS = frozenset({400, 401, 403, 404, 405, 411, 429})
CONTRADICTING = {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
UNSIGNED_TRAILER = {
    "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "X-Amz-Decoded-Content-Length": "0",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """`what` must have been refused."""

    what: str
    status: int


@dataclass(frozen=True, slots=True)
class Canary:
    """`forged`: status of a PUT with a forged signature whose headers ask for none to be checked;
    `status` of the contradicting PUT; `same`: what lies there then are the bytes that were sent,
    None when nobody could look, as the PUT failed or no file comes back."""

    forged: int
    status: int
    same: bool | None


async def look(
    web: Web, api: Origin, upload: Origin | None, download: Origin | None, bucket: str
) -> list[Probe]:
    """`upload` and `download` where they are known. The edge alone answers all of it."""
    asked = [("GET", f"{api.value}{path}") for path in ("/metrics", "/minio/admin/v3/info", "/o")]
    if upload is not None:
        key = f"{upload.value}/{bucket}/blobs/doctor"
        signed = f"X-Amz-Signature={'0' * 64}"
        asked += [
            ("PUT", key),
            ("GET", f"{key}?{signed}"),
            ("DELETE", f"{key}?{signed}"),
            ("PUT", f"{key}?{signed}&acl"),
            ("PUT", f"{key}?{signed}&X-Amz-Copy-Source=%2F{bucket}%2Fblobs%2Fdoctor"),
            ("PUT", f"{upload.value}/{bucket}/other/doctor?{signed}"),
            ("GET", f"{upload.value}/minio/admin/v3/info"),
            ("POST", f"{upload.value}/{bucket}?delete"),
        ]
    if download is not None:
        asked += [
            ("GET", f"{download.value}/o"),
            ("GET", f"{download.value}/o?t=a.b.{'c' * 86}"),
            ("POST", f"{download.value}/o"),
            ("GET", f"{download.value}/{bucket}/blobs/doctor"),
        ]
    found = []
    for method, url in asked:
        body = b"" if method in ("PUT", "POST") else None
        answer = await web.ask(method, url, body=body)
        found.append(Probe(f"{method} {url.partition('?')[0]}", answer.status))
    return found


def judge(found: Sequence[Probe], canary: Canary | None) -> list[Line]:
    """`canary` None: no PUT worked that it could be compared with. One that couldn't be looked at
    accuses nobody."""
    lines = [
        line("refusals.open", each.what, f"answered {each.status}")
        for each in found
        if each.status not in _REFUSALS
    ]
    if canary is not None and (wrong := _wrong(canary)):
        lines.append(line("refusals.headers", "upload", wrong))
    dropped = canary is not None and canary.same
    seen = f"{len(found)} requests refused{', unsigned headers dropped' if dropped else ''}"
    return lines or [line("refusals.ok", "all", seen)]


def _wrong(canary: Canary) -> str:
    """Empty while the edge drops what it must."""
    if canary.forged not in _REFUSALS:
        return f"a PUT with a forged signature was answered {canary.forged}"
    if canary.status != 200:
        return f"a PUT with unsigned headers that contradict it was answered {canary.status}"
    return "a PUT with unsigned headers wrote other bytes" if canary.same is False else ""
