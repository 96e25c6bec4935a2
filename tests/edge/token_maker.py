"""Mints tokens as no gateway would: any header, any claims, any key, reproducibly."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from appliance.domain.tickets import encode_part

ADDRESS = "127.0.0.1"
BUCKET = "stowbay"
NOW = 1_764_000_000
LATER = 4_102_444_800
OBJECT = f"/{BUCKET}/blobs/00000000000000aa/00112233445566778899aabbccddeeff"
KEY = ec.derive_private_key(0xC0FFEE0DDBA11, ec.SECP256R1())
STRANGER = ec.derive_private_key(0xBADC0DE, ec.SECP256R1())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
GOOD = {
    "aud": "stowbay-edge",
    "obj": OBJECT,
    "exp": LATER,
    "iat": NOW,
    "ep": 0,
    "fn": "report.pdf",
    "ct": "application/pdf",
    "dp": "attachment",
    "back": "/api/v1/files/nAAAA/content?version=vBBBB",
}


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


PUBLIC_KEYS = {"test-1": encode_part(point(KEY))}


def packed(value: object) -> str:
    return encode_part(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def es256(signed: str, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), algorithm))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(payload: str | None = None, head: object = None, key=KEY, **changed: Any) -> str:
    """`changed` claims; one that is None is left out."""
    claims = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    fields = {"alg": "ES256", "kid": "test-1", "typ": "JWT"} if head is None else head
    signed = f"{packed(fields)}.{packed(claims) if payload is None else payload}"
    return f"{signed}.{encode_part(es256(signed, key))}"


def raw_token(old: str, new: str) -> str:
    """Good claims with a piece of their JSON text replaced, signed as they then are."""
    text = json.dumps(GOOD, separators=(",", ":"))
    assert old in text
    return token(payload=encode_part(text.replace(old, new, 1).encode()))


def resigned(head: object, signature: bytes) -> str:
    return f"{packed(head)}.{packed(GOOD)}.{encode_part(signature)}"


def confused(algorithm: str, kid: str = "test-1") -> str:
    """The public key, which everybody has, used as a secret."""
    head = {"alg": algorithm, "kid": kid, "typ": "JWT"}
    signed = f"{packed(head)}.{packed(GOOD)}".encode()
    mac = hmac.new(point(KEY), signed, hashlib.sha256).digest()
    return resigned(head, mac + bytes(32))


def json_head() -> dict[str, str]:
    return {"alg": "ES256", "kid": "test-1", "typ": "JWT"}


def other_spelling(made: str) -> str:
    """The last character holds four bits that don't count; change one of them."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return made[:-1] + alphabet[alphabet.index(made[-1]) ^ 1]
