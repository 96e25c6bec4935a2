"""Public names, their addresses and certificates, and whether anything speaks without TLS."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from appliance.doctor.report import Line, line
from appliance.doctor.trust import blind
from appliance.doctor.web import reason

__all__ = ["NOW", "SOON", "Certificate", "Origin", "OriginFacts", "expiry", "judge", "look"]

SOON = timedelta(days=21)
NOW = timedelta(days=3)
# OpenSSL's X509_V_ERR_*: x509_vfy.h.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_PLAIN = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Origin:
    """`role`: api, upload or download."""

    role: str
    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443

    @property
    def value(self) -> str:
        """As a browser writes it in the Origin header."""
        found = urlsplit(self.url)
        return f"{found.scheme}://{found.netloc}"


@dataclass(frozen=True, slots=True)
class Certificate:
    names: tuple[str, ...]
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class OriginFacts:
    """`refused`: OpenSSL's verify code and its text. `plain`: the status line of an answer without
    TLS. `hsts`: the header of an answer; None without one."""

    origin: Origin
    addresses: tuple[str, ...] = ()
    unreachable: str = ""
    refused: tuple[int, str] | None = None
    certificate: Certificate | None = None
    protocol: str = ""
    plain: str = ""
    hsts: str | None = None

    @property
    def good(self) -> bool:
        """A browser gets there."""
        return bool(self.protocol)


async def look(origin: Origin, trust: ssl.SSLContext, seconds: float) -> OriginFacts:
    """`seconds`: for each step. Resolution that hangs is none."""
    try:
        async with asyncio.timeout(seconds):
            addresses = await _addresses(origin)
    except (OSError, TimeoutError):
        return OriginFacts(origin)
    refused, protocol, hsts = None, "", None
    try:
        try:
            async with asyncio.timeout(seconds):
                certificate, protocol, hsts = await _shake_hands(origin, trust)
        except ssl.SSLCertVerificationError as error:
            refused = (error.verify_code, error.verify_message)
            async with asyncio.timeout(seconds):
                certificate = (await _shake_hands(origin, blind()))[0]
        async with asyncio.timeout(seconds):
            plain = await _without_tls(origin)
    except (OSError, EOFError, TimeoutError) as error:
        return OriginFacts(origin, addresses, reason(error))
    return OriginFacts(origin, addresses, "", refused, certificate, protocol, plain, hsts)


async def _addresses(origin: Origin) -> tuple[str, ...]:
    found = await asyncio.get_running_loop().getaddrinfo(
        origin.host, origin.port, type=socket.SOCK_STREAM
    )
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


async def _shake_hands(
    origin: Origin, trust: ssl.SSLContext
) -> tuple[Certificate, str, str | None]:
    """HSTS is read by a request of its own where the certificate was accepted."""
    reader, writer = await asyncio.open_connection(
        origin.host, origin.port, ssl=trust, server_hostname=origin.host
    )
    try:
        tls = writer.get_extra_info("ssl_object")
        certificate = _read(tls.getpeercert(binary_form=True))
        hsts = None
        if trust.verify_mode is not ssl.CERT_NONE:
            writer.write(_PLAIN % urlsplit(origin.url).netloc.encode())
            head = (await reader.read(1 << 14)).partition(b"\r\n\r\n")[0]
            found = re.search(rb"(?im)^strict-transport-security: *([^\r\n]*)", head)
            hsts = found[1].decode("latin-1") if found else None
        return certificate, str(tls.version()), hsts
    finally:
        writer.transport.abort()


def _read(der: bytes) -> Certificate:
    found = x509.load_der_x509_certificate(der)
    names: tuple[str, ...]
    try:
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(str(name.value) for name in held)
    except x509.ExtensionNotFound:
        names = ()
    return Certificate(names, found.not_valid_before_utc, found.not_valid_after_utc)


async def _without_tls(origin: Origin) -> str:
    """The status line; empty when the connection is refused or cut."""
    try:
        reader, writer = await asyncio.open_connection(origin.host, origin.port)
    except OSError:
        return ""
    try:
        writer.write(_PLAIN % urlsplit(origin.url).netloc.encode())
        return (await reader.readline()).decode("latin-1").strip()
    except OSError:
        return ""
    finally:
        writer.transport.abort()


def judge(found: Sequence[OriginFacts], now: datetime) -> list[Line]:
    lines: list[Line] = []
    for each in found:
        lines += _judge(each, now)
    return lines


def _judge(each: OriginFacts, now: datetime) -> list[Line]:
    where = f"{each.origin.role} {each.origin.value}"
    if not each.addresses:
        return [line("names.unresolved", where, f"{each.origin.host} has no address")]
    lines = [line("names.ok", where, ", ".join(each.addresses))]
    if each.unreachable or each.certificate is None:
        return [*lines, line("tls.unreachable", where, each.unreachable)]
    lines.append(_certificate(where, each.certificate, each, now))
    served = re.match(r"HTTP/\S+ [23]\d\d", each.plain)
    if served or not each.origin.url.startswith("https://"):
        lines.append(line("https.plain", where, f"without TLS: {each.plain or each.origin.url}"))
    elif each.good:
        lines.append(_hsts(where, each.hsts))
    return lines


def _certificate(where: str, held: Certificate, each: OriginFacts, now: datetime) -> Line:
    ends = f"ends {held.ends:%Y-%m-%d %H:%M} UTC"
    if each.refused is not None:
        number, text = each.refused
        if number == _EXPIRED:
            return line("tls.expired", where, f"{ends}, {_days(now - held.ends)} ago")
        if number == _NOT_YET:
            return line("tls.not-yet-valid", where, f"begins {held.begins:%Y-%m-%d %H:%M} UTC")
        if number in (_OTHER_NAME, _OTHER_ADDRESS):
            return line("tls.other-name", where, f"it holds {', '.join(held.names) or 'none'}")
        return line("tls.untrusted", where, text)
    code = f"tls.{expiry(held.ends, now)}"
    return line(code, where, f"{each.protocol}, {ends}, in {_days(held.ends - now)}")


def expiry(ends: datetime, now: datetime) -> str:
    """ok, expires-soon or expires-now."""
    left = ends - now
    return "ok" if left >= SOON else "expires-soon" if left >= NOW else "expires-now"


def _hsts(where: str, header: str | None) -> Line:
    if header is None:
        return line("https.ok", where, "TLS only; no Strict-Transport-Security")
    age = re.search(r'max-age="?(\d+)', header, re.IGNORECASE)
    code = "https.ok" if age and int(age[1]) > 0 else "https.hsts"
    return line(code, where, f"Strict-Transport-Security: {header}")


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.1f} days"
