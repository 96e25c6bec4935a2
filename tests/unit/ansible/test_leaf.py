"""Leaf certificates: made anew exactly when they must be, with the names chosen here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from tests.unit.ansible.test_secrets import load

leaf = load("stowbay_leaf")
NOW = datetime(2027, 1, 1, tzinfo=UTC)
PEM = serialization.Encoding.PEM
WANTED: dict[str, Any] = {
    "common_name": "redis",
    "names": ["c1", "192.0.2.11", "localhost", "127.0.0.1"],
    "days": 90,
    "renew_below_days": 30,
}


class Authority:
    def __init__(self, name: str, issuer: "Authority | None" = None, days: int = 3650) -> None:
        self.key = ec.generate_private_key(ec.SECP384R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = issuer or self
        signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        public = self.key.public_key()
        above_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(above.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(signs, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(above_id, critical=False)
            .sign(above.key, hashes.SHA256())
        )
        self.chain = self.pem + (issuer.chain if issuer else "")

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    def sealed_key(self, passphrase: str) -> str:
        return self.key.private_bytes(
            PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        ).decode()


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    yield Authority("Stowbay test")


def host_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def made(authority: Authority, key: str, wanted: dict[str, Any] = WANTED) -> dict[str, str]:
    chain = leaf.leaf_signed(
        key, wanted, authority.chain, authority.sealed_key("p" * 32), "p" * 32, NOW
    )
    return {"certificate": chain, "public_key": key}


def test_a_fresh_leaf_stays(authority: Authority) -> None:
    assert leaf.leaf_reason(made(authority, host_key()), WANTED, authority.pem, NOW) == ""


def test_the_order_of_names_is_no_reason(authority: Authority) -> None:
    found = made(authority, host_key())
    other = {**WANTED, "names": WANTED["names"][::-1]}
    assert leaf.leaf_reason(found, other, authority.pem, NOW) == ""


@pytest.mark.parametrize(
    ("days", "renewed"), [(59, False), (60, False), (60.01, True), (89, True), (400, True)]
)
def test_renewal_below_thirty_days(authority: Authority, days: float, renewed: bool) -> None:
    found = made(authority, host_key())
    reason = leaf.leaf_reason(found, WANTED, authority.pem, NOW + timedelta(days=days))
    assert bool(reason) is renewed
    assert not renewed or reason == "it ends 2027-04-01"


def test_other_reasons(authority: Authority) -> None:
    found = made(authority, host_key())
    stranger = Authority("Stowbay test")
    for changed, pem, reason in (
        ({"found": {"certificate": "", "public_key": "x"}}, authority.pem, "there is none"),
        ({"found": {**found, "public_key": host_key()}}, authority.pem, "it isn't of this key"),
        ({}, stranger.pem, "another authority signed it"),
        ({"wanted": {**WANTED, "common_name": "etcd"}}, authority.pem, "its names have changed"),
        (
            {"wanted": {**WANTED, "names": [*WANTED["names"], "x.example.com"]}},
            authority.pem,
            "its names have changed",
        ),
    ):
        arguments = {"found": found, "wanted": WANTED, **changed}
        assert leaf.leaf_reason(arguments["found"], arguments["wanted"], pem, NOW) == reason


def test_the_leaf_serves_and_asks_under_its_names(authority: Authority) -> None:
    found = x509.load_pem_x509_certificate(made(authority, host_key())["certificate"].encode())
    trust = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    trust.build_server_verifier(x509.DNSName("c1")).verify(found, [])
    trust.build_client_verifier().verify(found, [])
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert found.not_valid_after_utc - NOW == timedelta(days=90)


def test_an_authority_below_another_is_shown_along(authority: Authority) -> None:
    below = Authority("Stowbay site", issuer=authority)
    chain = x509.load_pem_x509_certificates(made(below, host_key())["certificate"].encode())
    assert [each.subject for each in chain][1:] == [below.name]
    trust = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    trust.build_server_verifier(x509.DNSName("localhost")).verify(chain[0], chain[1:])


def test_no_leaf_outlives_its_authority() -> None:
    short = Authority("Stowbay test", days=40)
    found = x509.load_pem_x509_certificate(made(short, host_key())["certificate"].encode())
    assert found.not_valid_after_utc == short.certificate.not_valid_after_utc


def test_another_authoritys_key_signs_nothing(authority: Authority) -> None:
    other = Authority("Stowbay test").sealed_key("p" * 32)
    with pytest.raises(ValueError, match="don't belong together"):
        leaf.leaf_signed(host_key(), WANTED, authority.pem, other, "p" * 32, NOW)


def test_a_wrong_passphrase_signs_nothing(authority: Authority) -> None:
    with pytest.raises(ValueError, match="password"):
        leaf.leaf_signed(
            host_key(), WANTED, authority.pem, authority.sealed_key("right"), "wrong", NOW
        )


def brought(names: list[str], ends: datetime) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "certificate": certificate.public_bytes(PEM).decode(),
        "key": private.decode(),
        "public_key": public.decode(),
    }


def test_a_brought_certificate_is_placed_once() -> None:
    own = brought(["*.example.com"], datetime.now(UTC) + timedelta(days=5))
    name = "stowbay.example.com"
    assert leaf.own_reason({"certificate": "", "public_key": ""}, own, name)
    found = {"certificate": own["certificate"] + "\n", "public_key": own["public_key"]}
    assert leaf.own_reason(found, own, name) == ""


def test_a_brought_certificate_that_no_client_would_take_is_refused() -> None:
    soon = datetime.now(UTC) + timedelta(days=5)
    right, other = brought(["a.example.com"], soon), brought(["a.example.com"], soon)
    ended = brought(["a.example.com"], soon - timedelta(days=6))
    for own, name, message in (
        ({**right, "key": other["key"]}, "a.example.com", "don't belong together"),
        (right, "b.example.com", "isn't for b.example.com"),
        (ended, "a.example.com", "ended"),
    ):
        with pytest.raises(ValueError, match=message):
            leaf.own_reason({}, own, name)
