"""The instance's authority and certificate, judged by TLS itself where that is possible."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from appliance.machine.pki import (
    RENEW_BEFORE,
    SERVER_LIFE,
    Certificates,
    keep_authority,
    keep_certificates,
)

NOW = datetime.now(UTC)


def _bytes(paths: Certificates) -> tuple[bytes, bytes, bytes]:
    return (
        paths.authority.read_bytes(),
        paths.server.read_bytes(),
        paths.server_key.read_bytes(),
    )


def _shake_hands(paths: Certificates, name: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(paths.server, paths.server_key)
    client_side = ssl.create_default_context(cafile=str(paths.authority))
    one, other = socket.socketpair()

    def serve() -> None:
        try:
            with server_side.wrap_socket(one, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_side.wrap_socket(other, server_hostname=name) as secured:
            secured.send(b"x")
    finally:
        other.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_clients_accept_every_name_of_this_machine(tmp_path: Path, name: str) -> None:
    _shake_hands(keep_certificates(tmp_path / "pki", NOW), name)


@pytest.mark.parametrize("name", ["example.com", "127.0.0.2"])
def test_clients_refuse_any_other_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _shake_hands(keep_certificates(tmp_path / "pki", NOW), name)


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    first = _bytes(keep_certificates(tmp_path / "pki", NOW))
    assert _bytes(keep_certificates(tmp_path / "pki", NOW + timedelta(days=1))) == first


def test_the_certificate_is_renewed_before_its_end_and_the_authority_stays(tmp_path: Path) -> None:
    first = _bytes(keep_certificates(tmp_path / "pki", NOW))
    just_before = NOW + SERVER_LIFE - RENEW_BEFORE - timedelta(hours=1)
    assert _bytes(keep_certificates(tmp_path / "pki", just_before)) == first
    second = keep_certificates(tmp_path / "pki", just_before + timedelta(hours=2))
    assert second.authority.read_bytes() == first[0]
    assert second.server.read_bytes() != first[1]
    certificate = x509.load_pem_x509_certificate(second.server.read_bytes())
    assert certificate.not_valid_after_utc > just_before + RENEW_BEFORE


def test_a_crash_between_key_and_certificate_heals(tmp_path: Path) -> None:
    paths = keep_certificates(tmp_path / "pki", NOW)
    other = keep_certificates(tmp_path / "other", NOW)
    paths.server_key.write_bytes(other.server_key.read_bytes())
    _shake_hands(keep_certificates(tmp_path / "pki", NOW), "localhost")


def test_a_lost_authority_is_made_anew_with_its_certificate(tmp_path: Path) -> None:
    paths = keep_certificates(tmp_path / "pki", NOW)
    paths.authority.unlink()
    _shake_hands(keep_certificates(tmp_path / "pki", NOW), "localhost")


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    paths = keep_certificates(tmp_path / "pki", NOW)
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    for key in (paths.server_key, paths.store_key, paths.authority.with_name("ca.key")):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_only_the_stores_certificate_may_be_shown_by_a_client(tmp_path: Path) -> None:
    paths = keep_certificates(tmp_path / "pki", NOW)

    def roles(path: Path) -> set[str]:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return {each._name for each in usage}

    assert roles(paths.server) == {"serverAuth"}
    assert roles(paths.store) == {"serverAuth", "clientAuth"}


def test_an_authority_for_other_names_is_another(tmp_path: Path) -> None:
    one, two = [x509.DNSName("one")], [x509.DNSName("one"), x509.DNSName("two")]
    first, _ = keep_authority(tmp_path, "Somebody", one, NOW)
    assert keep_authority(tmp_path, "Somebody", one, NOW)[0] == first
    second, key = keep_authority(tmp_path, "Somebody", two, NOW)
    assert second.public_key() == key.public_key() != first.public_key()
