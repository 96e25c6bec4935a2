"""The instance's own certificate authority, and the certificates that it signs.

One is what nginx shows; the other is shown by SeaweedFS's parts to each other, in both roles, so
that its gRPC ports answer nobody else on this machine. The authority lives ten years, a certificate
397 days; it is made anew when less than 30 days are left, when the authority has changed, or when a
name is missing from it. The authority may sign no further one, and names of this machine only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.machine.places import private_folder, write_private

__all__ = ["Certificates", "keep_authority", "keep_certificates"]

CA_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
_BACKDATE = timedelta(minutes=5)  # clocks of other machines may be a little behind
_NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)
_PERMITTED: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_network("127.0.0.1/32")),
    x509.IPAddress(ipaddress.ip_network("::1/128")),
)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths: the authority's certificate; nginx's and the store's certificate and key."""

    authority: Path
    server: Path
    server_key: Path
    store: Path
    store_key: Path


def keep_certificates(folder: Path, now: datetime) -> Certificates:
    """Make what is missing or near its end; `now` is aware, in UTC."""
    private_folder(folder)
    paths = Certificates(
        *(
            folder / name
            for name in ("ca.pem", "server.pem", "server.key", "store.pem", "store.key")
        )
    )
    authority, authority_key = keep_authority(folder, "Stowbay local authority", _PERMITTED, now)
    server_only = (ExtendedKeyUsageOID.SERVER_AUTH,)
    both_roles = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    for certificate, key_file, roles in (
        (paths.server, paths.server_key, server_only),
        (paths.store, paths.store_key, both_roles),
    ):
        if not _good(certificate, key_file, authority, now):
            key = ec.generate_private_key(ec.SECP256R1())
            fresh = _make(key, authority, authority_key, roles, now)
            _save_key(key_file, key)
            _save_certificate(certificate, fresh)
    return paths


def keep_authority(
    folder: Path, name: str, permitted: Sequence[x509.GeneralName], now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """ca.pem and ca.key in the folder: those that lie there, while they fit and last.

    `permitted`: the names that it may sign for; others make it anew.
    """
    certificate_file, key_file = folder / "ca.pem", folder / "ca.key"
    if not _good_authority(certificate_file, key_file, permitted, now):
        key = ec.generate_private_key(ec.SECP256R1())
        _save_key(key_file, key)
        _save_certificate(certificate_file, _make_authority(key, name, permitted, now))
    return x509.load_pem_x509_certificate(certificate_file.read_bytes()), _load_key(key_file)


def _good_authority(
    certificate: Path, key: Path, permitted: Sequence[x509.GeneralName], now: datetime
) -> bool:
    if not (certificate.exists() and key.exists()):
        return False
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    if found.public_key() != _load_key(key).public_key():
        return False  # a crash fell between the two files
    constraints = found.extensions.get_extension_for_class(x509.NameConstraints).value
    # An authority too near its end would end before what it signs.
    lasts = found.not_valid_after_utc - now > SERVER_LIFE
    return lasts and set(constraints.permitted_subtrees or ()) == set(permitted)


def _good(certificate: Path, key: Path, authority: x509.Certificate, now: datetime) -> bool:
    if not (certificate.exists() and key.exists()):
        return False
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    if found.public_key() != _load_key(key).public_key():
        return False  # a crash fell between the two files
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names) >= set(_NAMES) and found.not_valid_after_utc - now > RENEW_BEFORE


def _make_authority(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    permitted: Sequence[x509.GeneralName],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _make(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    roles: tuple[x509.ObjectIdentifier, ...],
    now: datetime,
) -> x509.Certificate:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(roles), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _save_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, pem.decode())


def _save_certificate(path: Path, certificate: x509.Certificate) -> None:
    write_private(path, certificate.public_bytes(serialization.Encoding.PEM).decode())


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no elliptic-curve key")
    return key
