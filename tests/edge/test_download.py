"""The download host in front of real stores: ranges, cache, conditions, failures in mid-file."""

from __future__ import annotations

import contextlib
import json
import random
import time
from pathlib import Path

import pytest

from appliance.domain.tickets import cookie_hash
from tests.edge.conftest import SLICE

BIG = random.Random(1).randbytes(2 * SLICE + 4321)


@pytest.fixture(scope="module")
def big(shelf) -> str:
    return shelf.put(BIG)


def test_whole_file_and_its_headers(edge, shelf, big):
    token = shelf.ticket(big, fn="Bericht 'A'; ü\u202e.pdf", ct="text/html; charset=utf-8")
    answer = edge.download(token)
    assert answer.status == 200
    assert answer.body == BIG
    headers = answer.headers
    assert headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
    assert headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''Bericht%20%27A%27%3B%20%C3%BC%E2%80%AE.pdf"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox;")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Access-Control-Allow-Origin"] == edge.options.api_url
    assert headers["ETag"]
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Server"] == "nginx"
    inner = ("x-amz-", "x-minio", "x-seaweed", "set-cookie", "vary", "strict-")
    assert [name for name in headers if name.lower().startswith(inner)] == []


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        (f"bytes={SLICE - 1}-{SLICE}", SLICE - 1, SLICE),
        (f"bytes={SLICE}-", SLICE, len(BIG) - 1),
        ("bytes=-10", len(BIG) - 10, len(BIG) - 1),
        (f"bytes={len(BIG) - 1}-{len(BIG) + 999}", len(BIG) - 1, len(BIG) - 1),
    ],
)
def test_ranges(edge, shelf, big, asked, first, last):
    answer = edge.download(shelf.ticket(big), headers={"Range": asked})
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(BIG)}"
    assert answer.body == BIG[first : last + 1]


def test_a_range_beyond_the_end(edge, shelf, big):
    answer = edge.download(shelf.ticket(big), headers={"Range": "bytes=99999999-"})
    assert answer.status == 416


def test_resume_only_of_the_same_object(edge, shelf, big):
    etag = edge.download(shelf.ticket(big), "HEAD").headers["ETag"]
    wanted = {"Range": "bytes=5-9", "If-Range": etag}
    assert edge.download(shelf.ticket(big), headers=wanted).body == BIG[5:10]
    other = edge.download(shelf.ticket(big), headers={**wanted, "If-Range": '"other"'})
    assert (other.status, other.body == BIG) == (200, True)


def test_head(edge, shelf, big):
    answer = edge.download(shelf.ticket(big), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(BIG))


def test_cached_from_the_second_request_on_and_only_in_the_cache_folder(edge, shelf):
    content = random.Random(2).randbytes(1 << 20)
    obj = shelf.put(content)
    seen, folders = [], []
    for _ in range(3):
        answer = edge.download(shelf.ticket(obj))
        assert answer.body == content
        seen.append(answer.headers["X-Stowbay-Cache"])
        folders.append(_holding(edge.folder, content[1000:1100]))
    assert seen == ["MISS", "MISS", "HIT"]
    assert folders == [set(), {"cache"}, {"cache"}]


def _holding(folder: Path, needle: bytes) -> set[str]:
    """Names of the folders that hold a file with these bytes in it."""
    return {
        path.relative_to(folder).parts[0]
        for path in folder.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    }


def test_what_is_cached_still_needs_a_ticket(edge, shelf):
    obj = shelf.put(b"cached")
    for _ in range(3):
        assert edge.download(shelf.ticket(obj)).status == 200
    assert edge.download("").code == "ticket-missing"
    assert edge.download(shelf.ticket(obj, ip="192.0.2.1")).code == "ticket-wrong-address"
    late = shelf.ticket(obj, exp=int(time.time()) - 1)
    assert edge.download(late).status == 302


def test_expired_leads_back_to_the_stable_url(edge, shelf):
    back = "/api/v1/files/nX/content?version=v1&inline=1"
    token = shelf.ticket(shelf.put(b"x"), exp=int(time.time()) - 1, back=back)
    answer = edge.download(token)
    assert answer.status == 302
    assert answer.headers["Location"] == edge.options.api_url + back


def test_bound_to_address_and_cookie(edge, shelf):
    token = shelf.ticket(shelf.put(b"mine"), ip="127.0.0.1", ck=cookie_hash("secret-1"))
    cookie = {"Cookie": "other=1; stowbay_bind=secret-1"}
    assert edge.download(token, headers=cookie).body == b"mine"
    assert edge.download(token).code == "ticket-wrong-cookie"
    spoofed = {**cookie, "X-Forwarded-For": "192.0.2.9", "X-Real-IP": "192.0.2.9"}
    assert edge.download(token, headers=spoofed).body == b"mine"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(edge, shelf, method):
    answer = edge.download(shelf.ticket(shelf.put(b"x")), method)
    assert answer.status == 405


def test_preflight(edge):
    answer = edge.download("", "OPTIONS", headers={"Origin": edge.options.api_url})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"


@pytest.mark.parametrize("target", ["/", "/stowbay/blobs/x", "/o/", "/o/x", "/metrics", "/../o"])
def test_other_paths(edge, target):
    answer = edge.call(edge.options.download_port, "GET", target)
    assert answer.status in (400, 404)


def test_the_clients_credentials_and_conditions_stay_outside(edge, shelf):
    """A store that saw them would refuse (a second Authorization) or answer otherwise."""
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature=00",
        "Cookie": "a=b",
        "X-Amz-Security-Token": "x",
        "X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256",
        "Accept-Encoding": "gzip",
    }
    answer = edge.download(shelf.ticket(shelf.put(b"text " * 100)), headers=headers)
    assert (answer.status, answer.body) == (200, b"text " * 100)


def test_an_object_that_is_gone(edge, shelf):
    obj = shelf.put(b"x")
    shelf.remove(obj)
    answer = edge.download(shelf.ticket(obj))
    assert (answer.status, answer.code) == (404, "not-found")
    assert b"blobs" not in answer.body


@pytest.mark.parametrize("pause", [0, 0, 0.001, 0.002, 0.004, 0.008])
def test_an_object_that_goes_in_mid_file_cuts_the_download(edge, shelf, pause):
    """No error text may become file content: fewer bytes than announced, all of them right.

    Several times, as a connection that is reset often loses the bytes that would tell.
    """
    content = random.Random(3).randbytes(24 << 20)
    obj = shelf.put(content)
    connection = edge.connect(edge.options.download_port)
    connection.request("GET", f"/o?t={shelf.ticket(obj)}")
    answer = connection.getresponse()
    received = answer.read(1000)
    time.sleep(pause)
    shelf.remove(obj)
    time.sleep(0.1)
    with contextlib.suppress(OSError):  # reset: also a cut
        while more := answer.read1(1 << 20):
            received += more
    connection.close()
    assert 1000 <= len(received) < len(content)
    wrong = next((at for at, byte in enumerate(received) if byte != content[at]), None)
    assert wrong is None, (wrong, len(received), received[wrong : wrong + 500])


def test_logs_hold_no_ticket(edge, shelf):
    obj = shelf.put(b"logged")
    token = shelf.ticket(obj)
    edge.download(token, headers={"X-Request-Id": "trace-me-12345"})
    edge.download(token[:-4])
    missing = shelf.ticket(obj + "00")
    edge.download(missing)
    access = edge.logged("nginx-download.log", f"{obj}00")
    for log in (access, edge.log("nginx-error.log")):
        assert token[-30:] not in log
        assert missing[-30:] not in log
    lines = [json.loads(line) for line in access.splitlines()]
    mine = [line for line in lines if line["request_id"] == "trace-me-12345"]
    assert [(line["ticket"], line["object"], line["status"]) for line in mine] == [("ok", obj, 200)]
