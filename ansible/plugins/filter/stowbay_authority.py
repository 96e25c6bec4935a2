"""Whether an authority on the controller can sign leaves that strict clients take.

Source: RFC 5280, 4.2.1 and 6.1; Python 3.13 and `openssl verify -x509_strict` ask for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def authority_faults(
    certificate: str, key: str, passphrase: str, now: datetime | None = None
) -> list[str]:
    """What is wrong with it, in words for its operator.

    `certificate`: PEM, the issuing one first, then its issuers up to the root. `key`: the issuing
    one's, PEM.
    """
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return ["its file holds no PEM certificates"]
    try:
        own = serialization.load_pem_private_key(key.encode(), passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ["its key can't be read with pki_ca_passphrase"]
    faults = []
    if not isinstance(own, ec.EllipticCurvePrivateKey):
        faults.append("its key isn't an elliptic curve key")
    if own.public_key() != chain[0].public_key():
        faults.append("its key and the first certificate don't belong together")
    for below, each in enumerate(chain):
        name = each.subject.rfc4514_string()
        faults += [f"{name} {said}" for said in _faults_of(each, below, now or datetime.now(UTC))]
    for each, issuer in [*pairwise(chain), (chain[-1], chain[-1])]:
        if not _issued(each, issuer):
            wanted = "itself, as a root is" if each is issuer else "the next in its file"
            faults.append(f"{each.subject.rfc4514_string()} isn't signed by {wanted}")
    return faults


def _faults_of(each: x509.Certificate, below: int, now: datetime) -> Iterator[str]:
    """Of one certificate, with so many other authorities below it."""
    begin, end = each.not_valid_before_utc, each.not_valid_after_utc
    if not begin <= now <= end:
        yield f"is valid {begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    constraints = _extension(each, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca:
        yield "isn't an authority's (basicConstraints CA:TRUE)"
    elif not constraints.critical:
        yield "lacks the mark critical at its basicConstraints"
    elif constraints.value.path_length is not None and constraints.value.path_length < below:
        yield f"allows {constraints.value.path_length} authorities below it, and has {below}"
    usage = _extension(each, x509.KeyUsage)
    if usage is None or not usage.value.key_cert_sign:
        yield "may not sign certificates (keyUsage keyCertSign)"
    if _extension(each, x509.SubjectKeyIdentifier) is None:
        yield "has no subjectKeyIdentifier"
    if each.subject != each.issuer and _extension(each, x509.AuthorityKeyIdentifier) is None:
        yield "has no authorityKeyIdentifier"


def _extension(
    each: x509.Certificate, kind: type[x509.ExtensionType]
) -> x509.Extension[Any] | None:
    try:
        return each.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _issued(each: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        each.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"stowbay_authority_faults": authority_faults}
