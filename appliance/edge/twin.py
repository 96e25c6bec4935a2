"""The edge's decision over a token, in Python: the twin of njs/ticket.js.

The gateway never needs it; tests hold both to the same vectors, and an operator can ask it why a
ticket was refused.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from appliance.domain.tickets import ALGORITHM, Opened, Ticket, Verdict, judge, open_token

__all__ = ["verify"]


def verify(
    token: str,
    keys: Mapping[str, str],
    *,
    bucket: str,
    now: float,
    address: str,
    cookie: str = "",
) -> tuple[Verdict, Ticket | None]:
    """`keys` as KeyRing.public_keys gives them. The ticket comes with OK and with EXPIRED."""
    opened = open_token(token)
    if isinstance(opened, Verdict):
        return opened, None
    point = keys.get(opened.kid)
    if point is None:
        return Verdict.UNKNOWN_KEY, None
    if opened.algorithm != ALGORITHM:
        return Verdict.WRONG_ALGORITHM, None
    if not _signature_holds(opened, point):
        return Verdict.BAD_SIGNATURE, None
    return judge(opened.payload, bucket=bucket, now=now, address=address, cookie=cookie)


def _signature_holds(opened: Opened, point: str) -> bool:
    raw = base64.urlsafe_b64decode(point + "=" * (-len(point) % 4))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    r, s = (int.from_bytes(half, "big") for half in (opened.signature[:32], opened.signature[32:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), opened.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
