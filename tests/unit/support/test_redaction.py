"""No secret that the redactor knows is in what it lets through, however it was written; what looks
like one goes without being known; the rest stays."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.support.redaction import MARKS, Redactor

from .looking import traces

KEY = b"k" * 32


def percent(text: str) -> str:
    """Every byte, the letters of the digits in turn large and small."""
    return "".join(
        f"%{byte:02x}" if n % 2 else f"%{byte:02X}" for n, byte in enumerate(text.encode())
    )


def escaped(text: str) -> str:
    """Every character as JSON may write it."""
    pairs = text.encode("utf-16-be").hex()
    return "".join(f"\\u{pairs[n : n + 4]}" for n in range(0, len(pairs), 4))


def in_base64(text: str) -> str:
    return base64.b64encode(f"somebody:{text}".encode()).decode()


def in_base64url(text: str) -> str:
    return base64.urlsafe_b64encode(f"x{text}y".encode()).decode().rstrip("=")


WAYS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "percent": percent,
    "quote": lambda text: urllib.parse.quote(text, safe=""),
    "quote_plus": urllib.parse.quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON, every character": escaped,
    "base64": in_base64,
    "base64url": in_base64url,
    "HTML": html.escape,
    "SQL": lambda text: text.replace("'", "''"),
    "the shell": lambda text: text.replace("'", "'\\''"),
    "hexadecimal": lambda text: text.encode().hex(),
}
OUTER = ("as it is", "quote", "percent", "JSON", "JSON, every character", "base64")
INNER = ("as it is", "quote", "percent", "JSON", "JSON, every character", "quote_plus")

SECRETS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Zl", "Zp")), min_size=8, max_size=40
).filter(lambda text: text == text.strip() and len(set(text)) > 3 and text not in MARKS)
AROUND = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=20)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None)
@given(secret=SECRETS, before=AROUND, after=AROUND)
@example(secret="pa ss+w%41rd", before="GET /x?p=", after="&q=1")
@example(secret='it\'s \\ 100% "mine" & <yours>', before="{", after="}")
@example(secret="Grüße, Jürgen 🗝", before="", after="")
def test_a_known_secret_is_gone_however_it_is_written(
    way: str, secret: str, before: str, after: str
) -> None:
    redactor = Redactor([secret], [], KEY)
    text = f"first line\n{before} {WAYS[way](secret)} {after}\nlast line"
    found = redactor.redact(text)
    assert traces(found.text, secret) == []
    assert not redactor.holds_secret(found.text)
    assert found.counts


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize("inner", INNER)
@settings(max_examples=25, deadline=None)
@given(secret=SECRETS)
@example(secret="pa ss+w%41rd")
def test_also_when_it_is_wrapped_twice(inner: str, outer: str, secret: str) -> None:
    redactor = Redactor([secret], [], KEY)
    found = redactor.redact(f"a {WAYS[outer](WAYS[inner](secret))} b\nnext")
    assert traces(found.text, secret) == []
    assert not redactor.holds_secret(found.text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300), secret=SECRETS)
def test_whatever_the_text_is(text: str, secret: str) -> None:
    redactor = Redactor([secret], [], KEY)
    found = redactor.redact(text + secret + text)
    assert secret not in found.text
    assert not redactor.holds_secret(found.text)


def test_the_looking_finds_what_the_redactor_must() -> None:
    """The judge of these tests must be able to say no."""
    secret = 'it\'s "100%" + ü'
    for way, write in WAYS.items():
        assert traces(f"a {write(secret)} b", secret), way
    for outer in OUTER:
        for inner in INNER:
            assert traces(f"a {WAYS[outer](WAYS[inner](secret))} b", secret), (inner, outer)


GOES = {
    "a session's token": ("seen sbt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA here", "sbt_AAAA"),
    "a ticket": ("got eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJkIn0.c2lnbmF0dXJl-_ from", "eyJhdWQi"),
    "a presigned URL": (
        "PUT https://h:8444/b/k?partNumber=3&X-Amz-Signature=00ffee&X-Amz-Credential=AKID HTTP/1.1",
        "00ffee",
    ),
    "a signature alone": ("X-Amz-Signature=00ffee11", "00ffee11"),
    "a signed request": ("AWS4-HMAC-SHA256 Credential=AK/x, Signature=00ffee", "00ffee"),
    "a header": ("Authorization: Digest username=a, response=00ffee", "00ffee"),
    "a header in JSON": ('{"headers": "authorization: Bearer abcdefgh"}', "abcdefgh"),
    "a cookie": ("Cookie: a=b; sid=00ffee", "00ffee"),
    "a set cookie": ("set-cookie: sid=00ffee; Path=/", "00ffee"),
    "a bearer": ("sent Bearer 00ffee00ffee", "00ffee"),
    "a password in a URL": ("redis://user:00ff%40ee@host:6379/0", "00ff"),
    "a mail address before a port": ("jane.doe@mail.example.com:25", "jane"),
    "a user without a password": ("https://00ffee@host/", "00ffee"),
    "a DSN": ("host=h user=u password='00ff ee' sslmode=x", "00ff"),
    "a setting": ("MINIO_ROOT_PASSWORD=00ffee", "00ffee"),
    "a key in the environment": ("WEED_JWT_FILER_SIGNING_KEY=00ffee", "00ffee"),
    "a key of keys": ("found WEED_S3_SSE_KEK=00ffee here", "00ffee"),
    "a receiver's key": ('{"routing_key": "00ff ee"}', "00ff"),
    "a receiver's credentials": ('{"authorization_of": {"credentials": "00ffee"}}', "00ffee"),
    "a quoted setting": ('secret_key: "00ff, ee"', "00ff"),
    "JSON": ('{"secret_key": "00ff\\"ee", "b": 1}', "ee"),
    "JSON in JSON": ('{"event": "{\\"password\\": \\"00ffee\\"}"}', "00ffee"),
    "a directive": ("requirepass 00ffee", "00ffee"),
    "keepalived's": ("        auth_pass 00ffee", "00ffee"),
    "a check's": ("tcp-check send 'AUTH 00ffee'\\r\\n", "00ffee"),
    "SQL": ("alter role x password '00ffee' login", "00ffee"),
    "an argon2 hash": ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "aGFzaA"),
    "a scram hash": ("SCRAM-SHA-256$4096:c2FsdA==$a:b", "c2FsdA"),
    "a bcrypt hash": ("stowbay: $2b$12$abcdefghijklmnopqrstuv", "abcdefghij"),
    "a Redis user": (f"user default on #{'ab' * 32} ~*", "abab"),
    "a private key": (
        "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\nafter",
        "MHcCAQEE",
    ),
    "a private key without an end": ("-----BEGIN PRIVATE KEY-----\nMHcCAQEE\nMHcC", "MHcC"),
    "a private key in JSON": (
        '"pem": "-----BEGIN PRIVATE KEY-----\\nMHcCAQEE\\n-----END PRIVATE KEY-----"',
        "MHcCAQEE",
    ),
    "a key's values": ('DETAIL:  Key (space, name)=(1, Budget.pdf) already exists.', "Budget"),
    "a statement": ("STATEMENT:  select 'Budget.pdf'", "Budget"),
    "a value that Postgres refuses": (
        'ERROR:  invalid input syntax for type integer: "Budget.pdf" at character 8', "Budget",
    ),
    "a mail address": ("from jane.doe@example.com", "jane"),
    "a foreign address": ("client 198.51.100.7, server", "198.51"),
    "a foreign IPv6 address": ("client 2001:db8::7, server", "2001:db8"),
}  # fmt: skip


@pytest.mark.parametrize("what", GOES)
def test_what_looks_like_a_secret_goes(what: str) -> None:
    text, secret = GOES[what]
    assert secret in text
    found = Redactor([], [], KEY).redact(text)
    assert secret not in found.text
    assert sum(found.counts.values()) >= 1


STAYS = [
    "2026-11-22 17:27:10.331 UTC [8289] LOG:  database system is shut down",
    'ERROR:  duplicate key value violates unique constraint "nodes_pkey"',
    '{"event":"request","route":"/api/v1/nodes/{node}","status":200,"ms":1.25}',
    "client filer@127.0.0.1:18340.18341 noticed",
    "stowbay-gateway@0.service loaded active running Stowbay gateway 0",
    "server c1 10.77.0.11:5432 check inter 1s port 8008 check-ssl",
    "token_seconds: 7776000",
    "ssl_certificate_key /etc/stowbay/pki/edge/key.pem;",
    'stowbay_http_request_seconds_bucket{le="0.005",method="GET",route="/api/v1/session"} 3.0',
    "listening on 127.0.0.1:8081 and [::1]:8081, version 3.0.11",
    "18:04:59 up 3 days, load average: 0.11, 0.14, 0.20",
    "keys rotate: the ring has 2 keys",
    "WEED_GRPC_MASTER_KEY=/etc/stowbay/pki/store/key.pem",
    "ETCD_PEER_KEY_FILE=/etc/stowbay/pki/etcd/key.pem",
    "object_key: ab/0123456789abcdef, cache key: 17, service_key: 12",
    'stowbay_rows{primary_key="id"} 3.0',
]


@pytest.mark.parametrize("text", STAYS)
def test_what_support_needs_stays(text: str) -> None:
    found = Redactor(["unrelated-secret"], ["10.77.0.11"], KEY).redact(text)
    assert found.text == text
    assert found.counts == {}


def test_an_address_keeps_one_alias_within_a_bundle_and_no_other() -> None:
    text = "198.51.100.7 then 198.51.100.8 then 198.51.100.7"
    one = Redactor([], [], b"a" * 32).redact(text).text.split(" then ")
    other = Redactor([], [], b"b" * 32).redact(text).text.split(" then ")
    assert one[0] == one[2] != one[1]
    assert not set(one) & set(other)


def test_redacting_twice_changes_nothing_more() -> None:
    redactor = Redactor(["hunter2-hunter2"], [], KEY)
    for text, _ in GOES.values():
        once = redactor.redact(text).text
        assert redactor.redact(once).text == once


def test_a_value_of_our_own_marks_is_no_trap() -> None:
    """Else nothing could ever be written: each mark would hold it again."""
    redactor = Redactor(["redacted", "secret"], [], KEY)
    assert not redactor.holds_secret(redactor.redact("password=abc").text)
