"""What a browser asks before it uploads or downloads for the web interface: CORS preflights.

Source of the rules: the Fetch standard, sections "CORS-preflight fetch" and "CORS check".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.doctor.origins import Origin
from appliance.doctor.report import Line, line
from appliance.doctor.web import Web

__all__ = ["UPLOAD", "Preflight", "Wanted", "judge", "look"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the web interface needs of one host; header names in small letters."""

    code: str
    method: str
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    credentials: bool


UPLOAD = Wanted(
    "cors.upload", "PUT", ("content-type", "x-amz-checksum-sha256"), ("etag",), credentials=False
)
DOWNLOAD = Wanted(
    "cors.download",
    "GET",
    ("range",),
    ("etag", "content-range", "content-disposition"),
    credentials=True,  # a ticket may be bound to a cookie
)


@dataclass(frozen=True, slots=True)
class Preflight:
    wanted: Wanted
    asked_from: str
    status: int
    headers: Mapping[str, str]


async def look(
    web: Web, api: Origin, upload: Origin, download: Origin, bucket: str
) -> list[Preflight]:
    """No object need be there: the edge answers before it looks at a signature or ticket."""
    targets = ((UPLOAD, f"{upload.value}/{bucket}/blobs/doctor"), (DOWNLOAD, f"{download.value}/o"))
    found = []
    for wanted, url in targets:
        headers = {
            "Origin": api.value,
            "Access-Control-Request-Method": wanted.method,
            "Access-Control-Request-Headers": ",".join(wanted.headers),
        }
        answer = await web.ask("OPTIONS", url, headers=headers)
        found.append(Preflight(wanted, api.value, answer.status, answer.headers))
    return found


def judge(found: Sequence[Preflight]) -> list[Line]:
    return [_judge(each) for each in found]


def _judge(each: Preflight) -> Line:
    wanted, subject = each.wanted, each.wanted.code.partition(".")[2]
    wrong = []
    if not 200 <= each.status < 300:
        wrong.append(f"the preflight is answered {each.status}")
    allowed = each.headers.get("access-control-allow-origin", "")
    if allowed != each.asked_from and (wanted.credentials or allowed != "*"):
        wrong.append(f"{each.asked_from} is not allowed, but {allowed or 'nobody'}")
    if wanted.method not in _words(each, "allow-methods", upper=True):
        wrong.append(f"{wanted.method} is not allowed")
    for name in wanted.headers:
        if name not in _words(each, "allow-headers"):
            wrong.append(f"the header {name} is not allowed")
    for name in wanted.exposed:
        if name not in _words(each, "expose-headers"):
            wrong.append(f"the header {name} is not exposed")
    if wanted.credentials and each.headers.get("access-control-allow-credentials") != "true":
        wrong.append("cookies are not allowed")
    if wrong:
        return line(wanted.code, subject, "; ".join(wrong))
    return line("cors.ok", subject, f"{wanted.method} from {each.asked_from} is allowed")


def _words(each: Preflight, name: str, *, upper: bool = False) -> set[str]:
    text = each.headers.get(f"access-control-{name}", "")
    words = {word.strip() for word in text.split(",")}
    return {word.upper() for word in words} if upper else {word.lower() for word in words}
