"""Each host's leaves: signed by the cluster's authority, of this host alone, readable by one group,
and not near their end; the authority's key is on no host."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

FOLDER = "/etc/stowbay/pki"
# Leaf "edge" is apart: it may be one that was brought along, under a public authority.
OWN = {"postgres", "etcd", "store", "redis", "gateway", "edge-inner", "metrics", "prometheus"}


@pytest.fixture
def leaves(host) -> list[str]:
    found = host.check_output(
        f"find {FOLDER} -mindepth 1 -maxdepth 1 -type d -printf '%f '"
    ).split()
    assert found, "a host without any leaf has no HAProxy's either"
    return found


def certificate(host, leaf: str) -> x509.Certificate:
    text = host.check_output(f"cat {FOLDER}/{leaf}/cert.pem")
    return x509.load_pem_x509_certificates(text.encode())[0]


def authorities(host) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(host.check_output(f"cat {FOLDER}/ca.pem").encode())


def test_folders_let_services_through_and_nobody_write(host):
    for path in ("/etc/stowbay", FOLDER):
        folder = host.file(path)
        assert (folder.user, folder.group, folder.mode) == ("root", "root", 0o755)
    trusted = host.file(f"{FOLDER}/ca.pem")
    assert (trusted.user, trusted.mode) == ("root", 0o644)


def test_only_known_leaves_and_nothing_left_over(host, leaves):
    assert set(leaves) <= OWN | {"edge", "alertmanager"}
    files = host.check_output(f"find {FOLDER} -mindepth 2 -type f -printf '%f\\n'").split()
    assert sorted(set(files)) == ["cert.pem", "key.pem"]
    assert len(files) == 2 * len(leaves)


def test_rights(host, leaves):
    for leaf in leaves:
        folder, key = host.file(f"{FOLDER}/{leaf}"), host.file(f"{FOLDER}/{leaf}/key.pem")
        assert (folder.user, folder.mode) == ("root", 0o750), leaf
        assert (key.user, key.mode) == ("root", 0o640), leaf
        assert key.group == folder.group


def test_each_is_of_this_host_and_of_its_own_key(host, leaves):
    inner = host.ansible.get_variables()
    address = inner.get("stowbay_address", inner.get("ansible_host"))
    for leaf in sorted(OWN & set(leaves)):
        found = certificate(host, leaf)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert inner["inventory_hostname"] in names.get_values_for_type(x509.DNSName), leaf
        assert "localhost" in names.get_values_for_type(x509.DNSName), leaf
        addresses = names.get_values_for_type(x509.IPAddress)
        assert {ipaddress.ip_address(address), ipaddress.ip_address("127.0.0.1")} <= set(addresses)
        assert found.subject.rfc4514_string() == f"CN={leaf}"
        public = host.check_output(f"openssl pkey -in {FOLDER}/{leaf}/key.pem -pubout")
        assert serialization.load_pem_public_key(public.encode()) == found.public_key(), leaf


def test_each_serves_and_asks_under_the_clusters_authority(host, leaves):
    trust = PolicyBuilder().store(Store(authorities(host)))
    for leaf in sorted(OWN & set(leaves)):
        found = certificate(host, leaf)
        trust.build_server_verifier(x509.DNSName("localhost")).verify(found, [])
        trust.build_client_verifier().verify(found, [])


def test_ninety_days_and_never_below_thirty(host, leaves):
    for leaf in sorted(OWN & set(leaves)):
        found = certificate(host, leaf)
        left = found.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=29) < left <= timedelta(days=90), leaf


def test_the_authoritys_key_is_on_no_host(host):
    places = "/etc/stowbay /root /home /var/lib/stowbay"
    assert host.run(f"grep -rlsI -e 'ENCRYPTED PRIVATE KEY' {places}").stdout == ""
    signers = [each.public_key() for each in authorities(host)]
    keys = host.check_output(
        f"find {FOLDER} /etc/ssl/private -name '*.pem' -o -name '*.key'"
    ).split()
    assert keys
    for path in (key for key in keys if key.endswith(("key.pem", ".key"))):
        public = host.check_output(f"openssl pkey -in {path} -pubout")
        assert serialization.load_pem_public_key(public.encode()) not in signers, path


# Where each leaf is shown, per group: port and, for Postgres, the protocol's own start of TLS.
SHOWN = {
    "etcd": [("etcd", 2379, ""), ("etcd", 2380, "")],
    "postgres": [("postgres", 5432, "-starttls postgres"), ("postgres", 8008, "")],
    "redis": [("redis", 6379, "")],
    "objectstore": [("store", 9000, "")],
    "gateway": [("gateway", 7101, ""), ("gateway", 7102, "")],
    "edge": [("edge", 443, ""), ("edge", 8444, ""), ("edge", 8445, "")],
    "monitoring": [("prometheus", 9090, ""), ("prometheus", 9093, "")],
    "stowbay": [("metrics", 9443, "")],
}


def test_what_is_shown_is_what_was_renewed_last(host):
    """A part that wasn't told of its new certificate goes on with the old one until that ends."""
    inner = host.ansible.get_variables()
    address = inner.get("stowbay_address", inner.get("ansible_host"))
    shown = [each for group in inner["group_names"] for each in SHOWN.get(group, [])]
    assert len(shown) >= 2
    for leaf, port, more in shown:
        answer = host.check_output(
            f"openssl s_client -connect {address}:{port} {more} </dev/null 2>/dev/null"
            " | openssl x509 -noout -fingerprint -sha256"
        )
        file = f"{FOLDER}/{leaf}/cert.pem"
        kept = host.check_output(f"openssl x509 -in {file} -noout -fingerprint -sha256")
        assert answer == kept, f"{leaf} on port {port}"
