"""The store's own ports, tried by somebody on the machine who holds no credential of it."""

from __future__ import annotations

import http.client
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.machine.options import read_options
from appliance.machine.ports import Ports

from . import protocol as p
from .inside import inner_ports, object_keys
from .instance import ROOT, Instance, User

_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS = 4  # type of the frame with which an HTTP/2 server begins


def _ports(instance: Instance) -> Ports:
    return read_options(instance.env, ROOT).ports


def _http(instance: Instance) -> list[int]:
    ports = _ports(instance)
    if instance.store == "minio":
        return [ports.store]
    return [ports.store, ports.master, ports.volume, ports.filer]


def _grpc(instance: Instance) -> list[int]:
    ports = _ports(instance)
    if instance.store == "minio":
        return []
    return [ports.store_grpc, ports.master_grpc, ports.volume_grpc, ports.filer_grpc]


def _answer(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body; 0 where nothing listens or the connection is closed at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=body or None)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def test_the_store_listens_on_these_ports_and_no_other(instance: Instance) -> None:
    ports = _ports(instance)
    others = {ports.postgres, ports.redis, ports.worker_metrics, *ports.gateways}
    others |= {ports.metrics + index for index in range(len(ports.gateways))}
    found = set(inner_ports(instance)) - others
    assert found <= {*_http(instance), *_grpc(instance)}
    assert {ports.store, *_grpc(instance)} <= found


def test_nothing_is_listed_on_any_inner_port(instance: Instance) -> None:
    bucket = instance.settings["store"]["bucket"]
    for port in inner_ports(instance):
        for path in (f"/{bucket}?list-type=2", f"/buckets/{bucket}/", "/?list-type=2"):
            _, body = _answer(port, "GET", path)
            assert b"ListBucketResult" not in body, (port, path)
            assert b"blobs/" not in body, (port, path)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_no_inner_http_port_lets_anybody_write(user: User, method: str) -> None:
    instance, data = user.instance, p.content(5000)
    node = p.stored(user, "kept", data)["node"]
    (key,) = object_keys(user)
    bucket = instance.settings["store"]["bucket"]
    tried = [
        f"/{bucket}/{key}",
        f"/{bucket}/blobs/forged",
        f"/{bucket}?delete",
        f"/{bucket}?policy",
        f"/{bucket}",
        "/forged",
        f"/buckets/{bucket}/{key}",
        f"/buckets/{bucket}?recursive=true",
        "/1,01637037d6",
        "/submit",
        f"/col/delete?collection={bucket}",
        "/vol/grow?count=1",
        "/dir/assign",
        "/minio/admin/v3/add-user?accessKey=forged",
    ]
    for port in _http(instance):
        for path in tried:
            status, body = _answer(port, method, path, b"" if method == "DELETE" else b"forged")
            assert not 200 <= status < 400, (port, path, status, body[:200])
            assert status or port != _ports(instance).store, "S3 says no, it doesn't hang up"
    assert object_keys(user) == [key]
    assert p.fetched(user, node) == data


def test_the_grpc_ports_talk_to_the_instances_own_parts_only(
    instance: Instance, tmp_path: Path
) -> None:
    """A handshake of TLS 1.3 is over before the server has seen who calls: what counts is whether
    it says a word of HTTP/2 then."""
    pki, (foreign, foreign_key) = instance.var / "pki", _stranger(tmp_path)
    plain = [port for port in (_ports(instance).store, *_grpc(instance)) if _speaks(port, None)]
    assert plain == []
    for port in _grpc(instance):
        assert not _speaks(port, _tls(instance)), port
        assert not _speaks(port, _tls(instance, foreign, foreign_key)), port
        assert _speaks(port, _tls(instance, pki / "store.pem", pki / "store.key")), port


def _tls(instance: Instance, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(instance.ca))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if cert is not None:
        context.load_cert_chain(cert, key)
    return context


def _speaks(port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether an HTTP/2 server answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as bare:
            connection = bare if tls is None else tls.wrap_socket(bare)
            connection.settimeout(10)
            connection.sendall(_HTTP2)
            said = connection.recv(9)
            return len(said) > 3 and said[3] == _SETTINGS and not said.startswith(b"HTTP")
    except OSError:
        return False


def _stranger(folder: Path) -> tuple[Path, Path]:
    """A certificate with the right name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "stranger.pem", folder / "stranger.key"
    cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private
