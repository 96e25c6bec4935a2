"""The public halves of the keys that sign tickets: all that an edge may know of them.

Computed on the controller, so that no private key ever reaches a host that is only an edge. The
ring's format is appliance.edge.keyring's; a unit test compares the two.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization


def ticket_points(ring: str, now: float | None = None) -> dict[str, str]:
    """Key id -> base64url of the uncompressed point, of every key that isn't retired."""
    moment = time.time() if now is None else now
    return {
        key["kid"]: _point(key["pem"])
        for key in json.loads(ring)["keys"]
        if key["retire_at"] is None or moment < key["retire_at"]
    }


def _point(pem: str) -> str:
    public = serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    raw = public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {"stowbay_ticket_points": ticket_points}
