"""Leaf certificates: when a host's is to be made anew, and the signing of it.

The host makes the key and tells its public half; every name in the certificate is chosen here, on
the controller, so that a host that lies gets no other identity than its own. Times are aware, UTC.
All arguments are PEM texts and plain values; the authority's file holds the issuing certificate
first, then its issuers up to the root.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_BACKDATE = timedelta(minutes=5)  # the hosts' clocks may be a little behind the controller's
_PEM = serialization.Encoding.PEM
_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo


def leaf_reason(
    found: dict[str, Any], wanted: dict[str, Any], authority: str, now: datetime | None = None
) -> str:
    """Why the leaf must be made anew, or "" if it needn't.

    `found`: certificate and public_key as the host has them ("" for none). `wanted`: common_name,
    names, renew_below_days.
    """
    now = now or datetime.now(UTC)
    if not found.get("certificate") or not found.get("public_key"):
        return "there is none"
    leaf = x509.load_pem_x509_certificate(found["certificate"].encode())
    issuer = x509.load_pem_x509_certificate(authority.encode())
    if _public_pem(leaf.public_key()) != found["public_key"].strip():
        return "it isn't of this key"
    try:
        leaf.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return "another authority signed it"
    if leaf.subject != _subject(wanted["common_name"]) or _names_of(leaf) != _names(wanted):
        return "its names have changed"
    if leaf.not_valid_after_utc - now < timedelta(days=wanted["renew_below_days"]):
        return f"it ends {leaf.not_valid_after_utc:%Y-%m-%d}"
    return ""


def leaf_signed(
    public_key: str,
    wanted: dict[str, Any],
    authority: str,
    authority_key: str,
    passphrase: str,
    now: datetime | None = None,
) -> str:
    """The chain that a server shows: the leaf, then the issuers below the root."""
    now = now or datetime.now(UTC)
    issuers = x509.load_pem_x509_certificates(authority.encode())
    issuer = issuers[0]
    key = serialization.load_pem_private_key(authority_key.encode(), passphrase.encode() or None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key isn't an elliptic curve key")
    if key.public_key() != issuer.public_key():
        raise ValueError("the authority's key and certificate don't belong together")
    public = serialization.load_pem_public_key(public_key.encode())
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise ValueError("the host's key isn't an elliptic curve key")
    ends = min(now + timedelta(days=wanted["days"]), issuer.not_valid_after_utc)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_subject(wanted["common_name"]))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_digital_signature(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(wanted)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_authority_identifier(issuer), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = [leaf, *(issuer for issuer in issuers if issuer.subject != issuer.issuer)]
    return "".join(certificate.public_bytes(_PEM).decode() for certificate in shown)


def own_faults(own: dict[str, str], name: str, now: datetime | None = None) -> list[str]:
    """What is wrong with a certificate and key that were brought for a server of this name."""
    try:
        leaf = x509.load_pem_x509_certificate(own["certificate"].encode())
        key = serialization.load_pem_private_key(own["key"].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ["the brought certificate and key aren't both PEM, the key not encrypted"]
    faults = []
    if key.public_key() != leaf.public_key():
        faults.append("the brought certificate and key don't belong together")
    if leaf.not_valid_after_utc < (now or datetime.now(UTC)):
        faults.append(f"the brought certificate ended {leaf.not_valid_after_utc:%Y-%m-%d}")
    parent = "*." + name.partition(".")[2]
    if not {x509.DNSName(name), x509.DNSName(parent)} & set(_names_of(leaf)):
        faults.append(f"the brought certificate isn't for {name}")
    return faults


def own_reason(found: dict[str, Any], own: dict[str, str], name: str) -> str:
    """The same question for a certificate that was brought along; ValueError if it is unusable."""
    if faults := own_faults(own, name):
        raise ValueError("; ".join(faults))
    leaf = x509.load_pem_x509_certificate(own["certificate"].encode())
    same_key = found.get("public_key", "").strip() == _public_pem(leaf.public_key())
    if same_key and found.get("certificate", "").strip() == own["certificate"].strip():
        return ""
    return "another one is brought along"


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _names(wanted: dict[str, Any]) -> list[x509.GeneralName]:
    return [_name(text) for text in sorted(set(wanted["names"]))]


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _names_of(leaf: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _digital_signature() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _public_pem(key: Any) -> str:
    return str(key.public_bytes(_PEM, _PUBLIC).decode().strip())


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "stowbay_leaf_reason": leaf_reason,
            "stowbay_leaf_signed": leaf_signed,
            "stowbay_own_leaf_faults": own_faults,
            "stowbay_own_leaf_reason": own_reason,
        }
