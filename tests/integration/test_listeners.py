"""What every listener refuses, and that nothing else listens where the network could reach."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from . import protocol as p
from .inside import listeners, object_keys, processes
from .instance import Instance, User


def _upload_url(user: User, data: bytes) -> dict[str, object]:
    return dict(p.begin(user, data)[0]["urls"][0])


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "OPTIONS", "PATCH"])
def test_the_upload_host_takes_put_only(user: User, method: str) -> None:
    url = _upload_url(user, p.content(64))
    reply = user.instance.call(method, str(url["url"]))
    allowed = (204,) if method == "OPTIONS" else (403, 405)
    assert reply.status in allowed


def test_the_upload_host_wants_a_signature_under_the_blob_prefix(user: User) -> None:
    url = str(_upload_url(user, p.content(64))["url"])
    place = urlsplit(url)
    origin = f"{place.scheme}://{place.netloc}"
    bucket = place.path.split("/")[1]
    for path in (
        place.path,
        f"{place.path}?X-Amz-Signature=",
        f"/{bucket}/other/key?{place.query}",
        f"/{bucket}?{place.query}",
        f"/{bucket}/?policy&{place.query}",
        f"/?{place.query}",
        f"/minio/admin/v3/info?{place.query}",
        f"/{bucket}/blobs/../../minio/admin?{place.query}",
        f"{place.path}?{place.query}&acl",
        f"{place.path}?{place.query}&tagging",
    ):
        reply = user.instance.call("PUT", origin + path, raw=b"x" * 64)
        assert reply.status in (400, 403, 405), path


def test_a_copy_source_header_reads_nothing(instance: Instance, user: User, tmp_path: Path) -> None:
    """MinIO would obey it unsigned; nginx drops it, so that the bait's own bytes are put."""
    victim = instance.user(tmp_path)
    secret = p.content(5000)
    p.stored(victim, "secret", secret)
    bait = p.content(5000)
    (outcome,) = p.begin(user, bait)
    (key,) = object_keys(victim)
    source = f"{instance.settings['store']['bucket']}/{key}"
    reply = p.put(user, outcome["urls"][0], bait, x_amz_copy_source=source)
    assert (reply.status, reply.body) == (200, b"")
    (done,) = p.commit(user, p.file(user, "bait", outcome["upload"]["id"]))
    assert done["status"] == "created", done
    assert p.fetched(user, done["node"]) == bait


def test_the_api_host_serves_the_api_only(instance: Instance) -> None:
    for path in ("/metrics", "/minio/admin/v3/info", "/o?t=x", "/..%2f..%2fetc/passwd", "/.git"):
        assert instance.call("GET", path).status in (400, 403, 404)
    assert instance.call("GET", "/health/live").status == 200
    assert instance.call("GET", "/health/ready").status == 200
    assert instance.call("GET", "/api/v1/account").status == 401


def test_a_compressed_body_is_never_inflated(instance: Instance, user: User) -> None:
    import gzip

    bomb = gzip.compress(b" " * (50 << 20))
    headers = {
        "Authorization": f"Bearer {user.token}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    path = f"/api/v1/spaces/{user.space}/commits"
    reply = instance.call("POST", path, raw=bomb, headers=headers)
    assert (reply.status, reply.json["code"]) == (400, "invalid-body")


def test_one_part_cannot_be_sent_without_end(user: User) -> None:
    data = p.content(6 << 20)
    url = p.begin(user, data)[0]["urls"][0]
    replies = [p.put(user, url, p.cut(data)[0]) for _ in range(14)]
    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert {reply.json["code"] for reply in refused} == {"upload-repeated"}


def test_sign_in_is_limited_by_address(instance: Instance) -> None:
    body = {"login": "nobody", "password": "wrong password"}
    replies = [instance.call("POST", "/api/v1/session", body) for _ in range(60)]
    limited = [reply for reply in replies if reply.status == 429]
    assert limited
    assert {reply.json["code"] for reply in limited} == {"too-many-attempts"}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in limited)


def test_everything_listens_on_loopback(instance: Instance) -> None:
    found = listeners(instance)
    assert len(found) >= 8
    loopback = {"0100007F", "0" * 24 + "01000000"}
    assert {address for address, _ in found} <= loopback


def test_no_secret_is_readable_by_others_or_in_a_log(instance: Instance) -> None:
    secrets = []
    for path in (instance.var / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        secrets += [part for part in path.read_text().strip().split(":") if len(part) > 10]
    for path in (instance.var / "access.env", instance.var / "config" / "stowbay.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(secrets) >= 8
    logs = b"".join(path.read_bytes() for path in (instance.var / "log").iterdir())
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes(instance))
    for secret in secrets:
        assert secret.encode() not in logs
        assert secret.encode() not in lines


def test_tokens_and_tickets_are_not_in_the_logs(instance: Instance, user: User) -> None:
    node = p.stored(user, "logged", p.content(100))["node"]
    url = p.ticket(user, node)["url"]
    instance.call("GET", url)
    logs = b"".join(path.read_bytes() for path in (instance.var / "log").iterdir())
    assert url.split("t=")[1][-80:].encode() not in logs
    assert user.token.encode() not in logs
    assert b"X-Amz-Signature=" not in logs


def test_encryption_at_rest(instance: Instance, user: User) -> None:
    """No byte of a file's content is in any file under var/, whatever the part that wrote it."""
    marker = hashlib.sha256(os.urandom(16)).hexdigest().encode()
    small, large = marker * 50, marker * (6 << 14)
    p.stored(user, "small", small)
    node = p.stored(user, "large", large)["node"]
    for _ in range(3):
        assert p.fetched(user, node) == large
    searched = 0
    for path in instance.var.rglob("*"):
        if path.is_file() and not path.is_symlink():
            searched += 1
            assert marker not in path.read_bytes(), path
    assert searched > 50
