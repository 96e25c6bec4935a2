"""What every listener refuses, and that nothing else listens where the network could reach."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from . import protocol as p
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
    (row,) = [
        line
        for line in _object_keys(instance)
        if f"{int.from_bytes(_raw(victim.space), 'big'):016x}" in line
    ]
    reply = p.put(user, outcome["urls"][0], bait, x_amz_copy_source=row)
    assert (reply.status, reply.body) == (200, b"")
    (done,) = p.commit(user, p.file(user, "bait", outcome["upload"]["id"]))
    assert done["status"] == "created", done
    assert p.fetched(user, done["node"]) == bait


def _raw(space: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(space[1:] + "=")


def _object_keys(instance: Instance) -> list[str]:
    from minio import Minio

    store = instance.settings["store"]
    client = Minio(
        urlsplit(store["endpoint"]).netloc,
        access_key=store["scrub"]["access_key"],
        secret_key=store["scrub"]["secret_key"],
        region=store["region"],
        secure=False,
    )
    found = client.list_objects(store["bucket"], recursive=True)
    return [f"{store['bucket']}/{item.object_name}" for item in found]


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


def test_the_store_wants_credentials_on_every_port(instance: Instance) -> None:
    settings = instance.settings
    bucket = settings["store"]["bucket"]
    for port in _listening(instance):
        for path in (f"/{bucket}?list-type=2", f"/buckets/{bucket}/", "/?list-type=2"):
            reply = _plain_http(port, path)
            assert b"ListBucketResult" not in reply, (port, path)
            assert b"blobs/" not in reply, (port, path)


def _plain_http(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.settimeout(5)
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
        except OSError:
            pass
        return found


def _processes(instance: Instance) -> set[int]:
    found = [int(path.read_text().split()[0]) for path in (instance.var / "run").glob("*.pid")]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return set(found)


def _sockets(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                name = str(link.readlink())
            except OSError:
                continue
            if inode := re.match(r"socket:\[(\d+)\]", name):
                found.add(inode[1])
    return found


def _listeners(instance: Instance) -> list[tuple[str, int]]:
    """(address in hexadecimal, port) of every TCP listener of the instance's processes."""
    mine = _sockets(_processes(instance))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                address, port = fields[1].split(":")
                found.append((address, int(port, 16)))
    return found


def _listening(instance: Instance) -> list[int]:
    public = {
        urlsplit(instance.settings[key]).port for key in ("api_url", "upload_url", "download_url")
    }
    return sorted({port for _, port in _listeners(instance)} - public)


def test_everything_listens_on_loopback(instance: Instance) -> None:
    found = _listeners(instance)
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
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in _processes(instance))
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
