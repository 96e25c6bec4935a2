"""A full set of fresh cluster secrets, and the rotation of the ring that signs tickets.

Both are pure but for the operating system's randomness: what is kept, and where, the action
`stowbay_vault` decides. Every secret has at least 128 bits, keepalived's excepted (its protocol
has 8 characters), and none holds a character that a shell, a URL, YAML or Jinja reads specially.

The ring's format is appliance.edge.keyring's, which the controller need not have installed; a unit
test lets that module read and rotate what is made here.
"""

from __future__ import annotations

import base64
import json
import secrets
import string
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_LETTERS = string.ascii_lowercase + string.digits
_STORE_CREDENTIALS = ("root", "signer", "control", "edge", "scrub", "backup")


def fresh_secrets(now: int) -> dict[str, str]:
    """Every vault_* variable of the cluster with a value of its own; `now` in Unix seconds."""
    made = {
        f"vault_{name}": _word(32)
        for name in (
            "postgres_superuser_password",
            "postgres_replication_password",
            "postgres_rewind_password",
            "postgres_app_password",
            "patroni_rest_password",
            "redis_password",
            "sentinel_password",
            "seaweed_volume_jwt",
            "seaweed_filer_jwt",
            "admin_password",
            "pki_passphrase",
            "prometheus_password",
        )
    }
    for name in _STORE_CREDENTIALS:  # MinIO: access keys of 3-20 characters, secrets of 8-40
        made[f"vault_store_{name}_access_key"] = _word(20)
        made[f"vault_store_{name}_secret_key"] = _word(40)
    made["vault_store_kms_key"] = base64.b64encode(secrets.token_bytes(32)).decode()
    made["vault_keepalived_password"] = _word(8)
    made["vault_ticket_keyring"] = _ring([_signing_key(now, now)])
    return made


def rotated_keyring(ring: str, now: int, publish_seconds: int, longest_ticket_seconds: int) -> str:
    """The ring with a key that signs `publish_seconds` from now; without those over by now.

    A ring whose newest key doesn't sign yet comes back unchanged, so a repeated call is harmless.
    """
    keys = json.loads(ring)["keys"]
    if max(key["sign_from"] for key in keys) > now:
        return ring
    fresh = _signing_key(now, now + publish_seconds)
    last_use = now + publish_seconds + longest_ticket_seconds
    kept = [
        {**key, "retire_at": key["retire_at"] or last_use}
        for key in keys
        if key["retire_at"] is None or now < key["retire_at"]
    ]
    return _ring([*kept, fresh])


def _word(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _ring(keys: list[dict[str, str | int | None]]) -> str:
    return json.dumps({"keys": keys}, indent=2)


def _signing_key(created: int, sign_from: int) -> dict[str, str | int | None]:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "kid": secrets.token_hex(4),
        "created": created,
        "sign_from": sign_from,
        "retire_at": None,
        "pem": pem.decode(),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "stowbay_fresh_secrets": fresh_secrets,
            "stowbay_rotated_keyring": rotated_keyring,
        }
