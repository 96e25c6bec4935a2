"""Makes vectors.json: tokens, good and bad, with the verdict both the twin and nginx must give.

    python -m tests.edge.make_vectors

Deterministic: fixed keys, RFC 6979 signatures, times in 2025, 2096 and 2100. Every request comes
from 127.0.0.1 for the bucket `stowbay`; `cookie` is what the client sends as stowbay_bind.
"""

from __future__ import annotations

import json
from pathlib import Path

from appliance.domain.tickets import cookie_hash, encode_part
from tests.edge.token_maker import (
    ADDRESS,
    BUCKET,
    GOOD,
    LATER,
    NOW,
    OBJECT,
    ORDER,
    PUBLIC_KEYS,
    STRANGER,
    confused,
    es256,
    json_head,
    other_spelling,
    packed,
    raw_token,
    resigned,
    token,
)

VECTORS = Path(__file__).with_name("vectors.json")


def vectors() -> list[dict[str, str]]:
    good = token()
    head, payload, signature = good.split(".")
    raw = es256(f"{head}.{payload}")
    cookie = "b64cookie-Value_1"
    list_: list[tuple[str, str, str, str]] = []

    def add(name: str, verdict: str, made: str, cookie: str = "") -> None:
        list_.append((name, verdict, made, cookie))

    add("good", "ok", good)
    add("good, inline", "ok", token(dp="inline", ct="text/plain; charset=utf-8"))
    add("good, name in many scripts", "ok", token(fn="Übersicht 報告 📦 (final)'s*.txt"))
    add("good, bidi override is only a name", "ok", token(fn="gnp.\u202etxt.exe"))
    add("good, quotes in the name", "ok", token(fn='a"; filename="evil.exe'))
    add("good, longest name", "ok", token(fn="é" * 512))
    add("good, without typ", "ok", token(head={"alg": "ES256", "kid": "test-1"}))
    add("good, address", "ok", token(ip=ADDRESS))
    add("good, cookie", "ok", token(ck=cookie_hash(cookie)), cookie)
    add("good, cookie not asked for", "ok", good, "anything")
    add("good, member of a batch", "ok", token(obj=OBJECT + "/00000000000000ff"))
    add("good, issued now by a clock that leads", "ok", token(iat=NOW))

    add("expired", "expired", token(exp=NOW + 1))
    add("expired at the epoch", "expired", token(exp=0))
    add("expired and for another address", "wrong-address", token(exp=NOW, ip="192.0.2.7"))
    add("expired and for another cookie", "wrong-cookie", token(exp=NOW, ck=cookie_hash("x")))
    add("expired and a stranger's", "bad-signature", token(exp=NOW, key=STRANGER))
    add("not yet", "not-yet", token(iat=4_000_000_000))

    add("missing", "missing", "")
    add("one word", "malformed", "ticket")
    add("two parts", "malformed", f"{head}.{payload}")
    add("four parts", "malformed", f"{good}.{signature}")
    add("truncated", "malformed", good[:-1])
    add("truncated payload", "bad-signature", f"{head}.{payload[:-4]}.{signature}")
    add("empty payload", "malformed", f"{head}..{signature}")
    add("padding", "malformed", f"{head}.{payload}.{signature}==")
    add("standard alphabet", "malformed", f"{head}.{payload}.{'+' * 86}")
    add("other spelling of the same signature", "malformed", other_spelling(good))
    add("part of an impossible length", "malformed", f"{head}.AAAAA.{signature}")
    add("huge", "malformed", token(fn="x" * 5000))
    add("space around", "malformed", f"{good}%20")
    add("percent-encoded dot", "malformed", good.replace(".", "%2E", 1))

    add(
        "tampered object",
        "bad-signature",
        f"{head}.{packed({**GOOD, 'obj': OBJECT[:-1] + '0'})}.{signature}",
    )
    add(
        "tampered expiry",
        "bad-signature",
        f"{head}.{packed({**GOOD, 'exp': LATER + 1})}.{signature}",
    )
    add("stranger's key", "bad-signature", token(key=STRANGER))
    add("zero signature", "bad-signature", resigned(json_head(), bytes(64)))
    add(
        "r of the order",
        "bad-signature",
        resigned(json_head(), ORDER.to_bytes(32, "big") + raw[32:]),
    )
    add("halves swapped", "bad-signature", f"{head}.{payload}.{encode_part(raw[32:] + raw[:32])}")

    add("alg none", "wrong-algorithm", resigned({"alg": "none", "kid": "test-1"}, raw))
    add(
        "alg none, no signature",
        "malformed",
        f"{packed({'alg': 'none', 'kid': 'test-1'})}.{payload}.",
    )
    add("alg HS256 with the public key", "wrong-algorithm", confused("HS256"))
    add("alg RS256", "wrong-algorithm", token(head={"alg": "RS256", "kid": "test-1"}))
    add(
        "alg es256 in small letters",
        "wrong-algorithm",
        token(head={"alg": "es256", "kid": "test-1"}),
    )
    add("alg ES384", "wrong-algorithm", token(head={"alg": "ES384", "kid": "test-1"}))
    add("alg a list", "malformed", token(head={"alg": ["ES256"], "kid": "test-1"}))
    add("alg missing", "malformed", token(head={"kid": "test-1"}))

    add("unknown key", "unknown-key", token(head={"alg": "ES256", "kid": "test-2"}))
    add("unknown key and alg none", "unknown-key", token(head={"alg": "none", "kid": "x"}))
    add("key of the prototype", "unknown-key", token(head={"alg": "ES256", "kid": "__proto__"}))
    add("key named constructor", "unknown-key", token(head={"alg": "ES256", "kid": "constructor"}))
    add("key id missing", "malformed", token(head={"alg": "ES256"}))
    add("key id with a slash", "malformed", token(head={"alg": "ES256", "kid": "../test-1"}))
    add("key id ending in a newline", "malformed", token(head={"alg": "ES256", "kid": "test-1\n"}))
    add("key id a number", "malformed", token(head={"alg": "ES256", "kid": 1}))
    add(
        "key sent along",
        "malformed",
        token(head={"alg": "ES256", "kid": "test-1", "jwk": {"kty": "EC"}}),
    )
    add(
        "critical extension",
        "malformed",
        token(head={"alg": "ES256", "kid": "test-1", "crit": ["x"]}),
    )
    add("header a list", "malformed", token(head=["ES256"]))
    add("header deep", "malformed", f"{encode_part(b'[' * 1500)}.{payload}.{signature}")

    add("wrong audience", "wrong-audience", token(aud="stowbay-api"))
    add("audience a list", "malformed", token(aud=["stowbay-edge"]))
    for name in GOOD:
        add(f"without {name}", "malformed", token(**{name: None}))
    add("expiry a text", "malformed", token(exp=str(LATER)))
    add("expiry true", "malformed", token(exp=True))
    add("expiry a fraction", "malformed", token(exp=LATER + 0.5))
    add("expiry below zero", "malformed", token(exp=-1))
    add("expiry beyond exact numbers", "malformed", token(exp=2**53))
    add("expiry null", "malformed", token(payload=packed({**GOOD, "exp": None})))
    add("disposition unknown", "malformed", token(dp="form-data"))
    add("expiry in another notation", "ok", raw_token('"exp":4102444800', '"exp":4.1024448e9'))
    add("expiry endless", "malformed", raw_token('"exp":4102444800', '"exp":1e999'))
    add("expiry twice, the last counts", "ok", raw_token('"exp":', '"exp":1,"exp":'))
    add("expiry twice, the last is over", "expired", raw_token('"ep":', '"exp":1,"ep":'))
    add("space in the payload", "ok", raw_token('"aud":', ' \n"aud" : '))
    add("payload deep", "malformed", token(payload=encode_part(b"[" * 2000)))
    add("payload a text", "malformed", token(payload=packed("aud")))
    add("claim of the prototype", "unsupported", raw_token('"aud":', '"__proto__":{},"aud":'))
    add(
        "claims in the prototype",
        "malformed",
        token(payload=packed({"__proto__": GOOD, "aud": "stowbay-edge"})),
    )
    add("claim named constructor", "unsupported", raw_token('"aud":', '"constructor":1,"aud":'))
    add("name of half a character", "malformed", raw_token("report", "\\ud800"))
    add("name of two halves, escaped", "malformed", raw_token("report", "\\ud83d\\udce6"))
    add("name that looks like half a character", "ok", token(fn="a\\ud800 b\\\\ud800"))
    add("name with NUL, escaped", "bad-text", raw_token("report", "\\u0000"))
    add(
        "byte order mark",
        "malformed",
        token(payload=encode_part(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())),
    )
    add(
        "something after the payload",
        "malformed",
        token(payload=encode_part(json.dumps(GOOD).encode() + b"x")),
    )
    add(
        "comma at the end",
        "malformed",
        token(payload=encode_part(json.dumps(GOOD).encode().replace(b"}", b",}"))),
    )
    add(
        "single quotes",
        "malformed",
        token(payload=encode_part(json.dumps(GOOD).encode().replace(b'"', b"'"))),
    )
    add("payload a list", "malformed", token(payload=packed([GOOD])))
    add("payload null", "malformed", token(payload=packed(None)))
    add("payload not JSON", "malformed", token(payload=encode_part(b"{")))
    add(
        "payload NaN",
        "malformed",
        token(payload=encode_part(json.dumps({**GOOD, "exp": float("nan")}).encode())),
    )
    add(
        "payload not UTF-8",
        "malformed",
        token(payload=encode_part(json.dumps(GOOD).encode().replace(b"report", b"rep\xffrt"))),
    )

    add("slice of an object", "unsupported", token(rng=[0, 1000]))
    add("claim of the future", "unsupported", token(country="CH"))

    for name, place in BAD_OBJECTS.items():
        add(name, "bad-object", token(obj=place))

    for code in (0, 9, 10, 13, 31, 127, 133, 159):
        add(f"name with control {code}", "bad-text", token(fn=f"a{chr(code)}b"))
    add("name that injects a header", "bad-text", token(fn="a\r\nSet-Cookie: x=1\r\n\r\n<html>"))
    add("name empty", "bad-text", token(fn=""))
    add("name too long", "bad-text", token(fn="x" * 1025))
    for name, kind in BAD_TYPES.items():
        add(name, "bad-text", token(ct=kind))
    for name, back in BAD_WAYS_BACK.items():
        add(name, "bad-text", token(back=back))

    add("other address", "wrong-address", token(ip="192.0.2.7"))
    add("other address that begins alike", "wrong-address", token(ip="127.0.0.11"))
    add("address not one", "malformed", token(ip="localhost"))
    add("address null", "malformed", token(payload=packed({**GOOD, "ip": None})))
    add("other cookie", "wrong-cookie", token(ck=cookie_hash(cookie)), "b64cookie-Value_2")
    add("no cookie", "wrong-cookie", token(ck=cookie_hash(cookie)))
    add("empty cookie", "wrong-cookie", token(ck=cookie_hash("")), "")
    add("cookie hash in capitals", "malformed", token(ck=cookie_hash(cookie).upper()), cookie)
    add(
        "cookie hash ending in a newline", "malformed", token(ck=cookie_hash(cookie) + "\n"), cookie
    )
    add("address ending in a newline", "malformed", token(ip=ADDRESS + "\n"))
    add("cookie hash short", "malformed", token(ck="abc"), cookie)
    keys = ("name", "verdict", "token", "cookie")
    return [dict(zip(keys, entry, strict=True)) for entry in list_]


BAD_OBJECTS = {
    "object of another bucket": OBJECT.replace(BUCKET, "stowbay2"),
    "object outside the prefix": f"/{BUCKET}/private/00",
    "object of a prefix that begins alike": f"/{BUCKET}/blobs2/00",
    "object climbing out": f"/{BUCKET}/blobs/../private/00",
    "object climbing out, encoded": f"/{BUCKET}/blobs/%2e%2e/private",
    "object with a query": f"{OBJECT}?acl",
    "object with a fragment": f"{OBJECT}#x",
    "object with CR LF": f"{OBJECT}\r\nHost: evil",
    "object ending in a newline": f"{OBJECT}\n",
    "object with a space": f"{OBJECT} HTTP/1.1",
    "object with an empty step": f"/{BUCKET}/blobs//00",
    "object the folder itself": f"/{BUCKET}/blobs/",
    "object the bucket itself": f"/{BUCKET}",
    "object without the slash": OBJECT[1:],
    "object an address": f"http://evil{OBJECT}",
    "object empty": "",
}
BAD_TYPES = {
    "type with CR LF": "text/plain\r\nX-Evil: 1",
    "type ending in a newline": "text/plain\n",
    "type without a slash": "text",
    "type empty": "",
    "type with other parameters": "text/html; boundary=x",
    "type in another script": "tëxt/plain",
}
BAD_WAYS_BACK = {
    "back to another host": "//evil.example/api/v1/",
    "back to an address": "https://evil.example/api/v1/",
    "back outside the API": "/api/v2/x",
    "back with CR LF": "/api/v1/x\r\nSet-Cookie: a=b",
    "back ending in a newline": "/api/v1/x\n",
    "back with a space": "/api/v1/x y",
    "back with a fragment": "/api/v1/x#y",
    "back with a backslash": "/api/v1/\\evil",
    "back too long": "/api/v1/" + "x" * 1024,
}


def document() -> str:
    content = {
        "bucket": BUCKET,
        "address": ADDRESS,
        "public_keys": PUBLIC_KEYS,
        "vectors": vectors(),
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(document())
