"""Whose clock it is that answers, by a server of the test's own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.doctor import clocks
from appliance.doctor.clocks import Clock
from appliance.doctor.trust import trusting


def own_address() -> str:
    """One of this machine's that isn't loopback, by the way out; loopback where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", own_address()])
def test_addresses_of_this_machine(address: str) -> None:
    assert clocks.whose(address) == ""


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_addresses_of_others(address: str) -> None:
    assert clocks.whose(address) == address


def leaf(folder: Path, *names: str) -> Path:
    """As the role pki makes them: names in any order, loopback among them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    held = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(name)) for name in names)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(held), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "leaf.pem"
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, plain[1], plain[0])
    )
    return path


async def told(
    pem: Path | None, *, ahead: timedelta, health: bytes = b"/health/live"
) -> Clock | None:
    """What is made of the answer of a server at loopback, as of one behind a balancer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET " + health + b" HTTP/1.1\r\n")
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        writer.write(f"HTTP/1.1 200 OK\r\ndate: {date}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    tls = None
    if pem:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pem)
    async with await asyncio.start_server(answer, "127.0.0.1", ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"{'https' if pem else 'http'}://127.0.0.1:{port}{health.decode()}"
        return await clocks.ask("store", url, trusting(str(pem or "")), 5)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("127.0.0.1", "192.0.2.7"), "192.0.2.7"),
        (("127.0.0.1", "2001:db8::7"), "2001:db8::7"),
        (("127.0.0.1",), ""),
        (("127.0.0.1", own_address()), ""),
    ],
)
async def test_the_certificate_says_whose_answer_it_is(
    tmp_path: Path, names: tuple[str, ...], host: str
) -> None:
    found = await told(leaf(tmp_path, *names), ahead=timedelta(minutes=10))
    assert found is not None
    assert (found.part, found.host) == ("store", host)
    assert abs(found.ahead - 600) < clocks.OFF


async def test_without_tls_the_address_does() -> None:
    found = await told(None, ahead=timedelta())
    assert found is not None
    assert found.host == ""
    assert abs(found.ahead) < clocks.OFF


async def test_a_part_that_is_not_trusted_or_not_there_tells_nothing(tmp_path: Path) -> None:
    pem = leaf(tmp_path, "127.0.0.1")
    (tmp_path / "other").mkdir()
    other = trusting(str(leaf(tmp_path / "other", "127.0.0.1")))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)
    async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        assert await clocks.ask("store", f"https://127.0.0.1:{port}/x", other, 5) is None
    assert await clocks.ask("store", f"https://127.0.0.1:{port}/x", other, 5) is None


def test_an_address_that_floats_is_not_its_hosts_own() -> None:
    names = (("DNS", "c3"), ("IP Address", "192.0.2.10"), ("IP Address", "192.0.2.13"))
    held = {"subjectAltName": names}
    assert clocks._host(held, "192.0.2.10") == "192.0.2.13"
    assert clocks._host({}, "192.0.2.10") == "192.0.2.10"
