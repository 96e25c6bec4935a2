"""A brought authority is refused before anything is signed with it, as OpenSSL's strict mode would
refuse what it signed."""

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.unit.ansible.plugins import filter_plugin

authority_faults = filter_plugin("stowbay_authority").authority_faults
NOW = datetime(2027, 1, 1, tzinfo=UTC)
PEM = serialization.Encoding.PEM
PASSPHRASE = "one that opens it"
SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
READS = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@dataclass
class Authority:
    name: str
    above: "Authority | None" = None
    ca: bool = True
    critical: bool = True
    below: int | None = None
    usage: x509.KeyUsage | None = SIGNS
    identifiers: bool = True
    begins: datetime = NOW - timedelta(days=1)
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        above, public = self.above or self, self.key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(self.name))
            .issuer_name(_named(above.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.begins)
            .not_valid_after(self.begins + timedelta(days=365))
            .add_extension(x509.BasicConstraints(self.ca, self.below), self.critical)
        )
        if self.usage:
            builder = builder.add_extension(self.usage, critical=True)
        if self.identifiers:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
            builder = builder.add_extension(
                x509.SubjectKeyIdentifier.from_public_key(public), critical=False
            ).add_extension(identifier, critical=False)
        self.certificate = builder.sign(above.key, hashes.SHA256())

    @property
    def chain(self) -> str:
        return self.certificate.public_bytes(PEM).decode() + (
            self.above.chain if self.above else ""
        )

    @property
    def sealed_key(self) -> str:
        shut = serialization.BestAvailableEncryption(PASSPHRASE.encode())
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, shut).decode()


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def openssl_takes(issuing: Authority, folder: Path) -> bool:
    """A leaf of the authority, verified as a strict client does."""
    leaf = Authority("a server", issuing, ca=False, usage=READS)
    (folder / "leaf.pem").write_bytes(leaf.certificate.public_bytes(PEM))
    (folder / "chain.pem").write_text(issuing.chain)
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp())),
         "-CAfile", folder / "chain.pem", folder / "leaf.pem"],
        capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode == 0


ROOT = Authority("root")


@pytest.mark.parametrize(
    "issuing",
    [ROOT, Authority("issuing", ROOT), Authority("issuing", Authority("root", below=1), below=0)],
    ids=["a root", "one below a root", "with path lengths"],
)
def test_a_sound_authority_is_taken(issuing: Authority, tmp_path: Path) -> None:
    assert authority_faults(issuing.chain, issuing.sealed_key, PASSPHRASE, NOW) == []
    assert openssl_takes(issuing, tmp_path)


@pytest.mark.parametrize(
    ("issuing", "said"),
    [
        (Authority("issuing", ROOT, usage=None), "CN=issuing may not sign certificates"),
        (Authority("issuing", ROOT, usage=READS), "CN=issuing may not sign certificates"),
        (Authority("issuing", Authority("root", usage=None)), "CN=root may not sign certificates"),
        (Authority("issuing", ROOT, ca=False), "CN=issuing isn't an authority's"),
        (Authority("issuing", ROOT, critical=False), "CN=issuing lacks the mark critical"),
        (Authority("issuing", ROOT, identifiers=False), "CN=issuing has no subjectKeyIdentifier"),
        (Authority("issuing", ROOT, identifiers=False), "CN=issuing has no authorityKeyIdentifier"),
        (Authority("issuing", Authority("root", below=0)), "CN=root allows 0 authorities below it"),
        (Authority("issuing", ROOT, begins=NOW - timedelta(days=400)), "CN=issuing is valid 2025-"),
        (Authority("issuing", ROOT, begins=NOW + timedelta(days=1)), "to 2028-"),
    ],
)  # fmt: skip
def test_what_strict_clients_refuse_is_said(issuing: Authority, said: str, tmp_path: Path) -> None:
    faults = authority_faults(issuing.chain, issuing.sealed_key, PASSPHRASE, NOW)
    assert [each for each in faults if said in each], faults
    assert not openssl_takes(issuing, tmp_path)


def test_a_chain_that_misses_its_root_is_said() -> None:
    issuing = Authority("issuing", ROOT)
    alone = issuing.certificate.public_bytes(PEM).decode()
    faults = authority_faults(alone, issuing.sealed_key, PASSPHRASE, NOW)
    assert faults == ["CN=issuing isn't signed by itself, as a root is"]


def test_another_root_of_the_same_name_is_said() -> None:
    issuing = Authority("issuing", ROOT)
    alone = issuing.certificate.public_bytes(PEM).decode()
    faults = authority_faults(alone + Authority("root").chain, issuing.sealed_key, PASSPHRASE, NOW)
    assert faults == ["CN=issuing isn't signed by the next in its file"]


def test_keys_that_do_not_fit_are_said() -> None:
    other = Authority("other")
    assert authority_faults(ROOT.chain, other.sealed_key, PASSPHRASE, NOW) == [
        "its key and the first certificate don't belong together"
    ]
    old = Authority("rsa", key=rsa.generate_private_key(65537, 2048))
    assert authority_faults(old.chain, old.sealed_key, PASSPHRASE, NOW) == [
        "its key isn't an elliptic curve key"
    ]


@pytest.mark.parametrize("passphrase", ["", "another"])
def test_a_wrong_passphrase_is_said(passphrase: str) -> None:
    assert authority_faults(ROOT.chain, ROOT.sealed_key, passphrase, NOW) == [
        "its key can't be read with pki_ca_passphrase"
    ]


@pytest.mark.parametrize("text", ["", "no PEM"])
def test_no_certificate_is_said(text: str) -> None:
    assert authority_faults(text, ROOT.sealed_key, PASSPHRASE, NOW) == [
        "its file holds no PEM certificates"
    ]
