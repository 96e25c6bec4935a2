"""What an operator may choose instead: SeaweedFS, an authority and a certificate of their own.

On one host, beside the lab's other settings. The authority that signs leaves is itself signed by a
root that no host sees the key of; the edge shows a certificate that another authority signed.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.addresses import PUBLIC_NAME
from tests.cluster.converge import on_hosts
from tests.cluster.places import REPOSITORY, Lab

__all__ = ["TESTS", "choose", "public_authority", "trust_publicly"]

# Of the tests of hosts those of parts that the choices change; test_objectstore is of MinIO alone.
TESTS = ("test_firewall.py", "test_pki.py", "test_haproxy.py", "test_store_unit.py", "test_edge.py",
         "test_gateway.py", "test_worker.py", "test_prometheus.py", "test_doctor.py")  # fmt: skip

_PEM = serialization.Encoding.PEM
_SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def choose(lab: Lab) -> None:
    """Into the inventory of a lab that is up, before its first converge."""
    brought = lab.folder / "brought"
    brought.mkdir(mode=0o700)
    root, root_key = _signed("Our root", None)
    issuing, issuing_key = _signed("Our issuing authority", (root, root_key))
    public, public_key = _signed("A public authority", None)
    shown, shown_key = _signed(PUBLIC_NAME, (public, public_key), names=[PUBLIC_NAME])
    passphrase = secrets.token_urlsafe(24)
    _write(brought / "issuing-and-root.pem", _text(issuing) + _text(root))
    _write(brought / "issuing.key", _key_text(issuing_key, passphrase))
    _write(public_authority(lab), _text(public))
    _write(brought / "edge.pem", _text(shown))
    _write(brought / "edge.key", _key_text(shown_key))
    chosen = {
        "objectstore_kind": "seaweedfs",
        "objectstore_binary": str(REPOSITORY / ".venv" / "bin" / "weed"),
        "pki_ca_certificate": str(brought / "issuing-and-root.pem"),
        "pki_ca_key": str(brought / "issuing.key"),
        "pki_ca_passphrase": passphrase,
        "pki_edge_certificate": str(brought / "edge.pem"),
        "pki_edge_key": str(brought / "edge.key"),
    }
    # Read after all others, so it wins. JSON is YAML.
    settings = lab.inventory / "group_vars" / "all" / "zzz-choices.yml"
    settings.write_text("---\n" + json.dumps(chosen, indent=2) + "\n")


def trust_publicly(lab: Lab) -> None:
    """The hosts trust it, too, as Debian does the public authorities."""
    where = "/usr/local/share/ca-certificates/stowbay-test.crt"
    text = public_authority(lab).read_text()
    on_hosts(lab, f"cat > {where} <<'END'\n{text}END\nupdate-ca-certificates >&2\n")


def public_authority(lab: Lab) -> Path:
    """Whose certificate clients trust, as they do a public authority's."""
    return lab.folder / "brought" / "public.pem"


_Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _signed(name: str, by: _Signer | None, names: list[str] | None = None) -> _Signer:
    """An authority, or for names a leaf; signed by itself when nobody else does."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = by[1] if by else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
    )
    if not names:
        builder = builder.add_extension(_SIGNS, critical=True)
    else:
        wanted = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(wanted, critical=False)
    return builder.sign(signing, hashes.SHA256()), key


def _text(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(_PEM)


def _key_text(key: ec.EllipticCurvePrivateKey, passphrase: str = "") -> bytes:
    shut = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, shut)


def _write(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)
