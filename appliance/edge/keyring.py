"""The private keys that sign tickets, and their rotation without a refused download.

Life of a key: it is added and its public half published to the edges; from `sign_from` on tickets
are signed with it; when a successor's `sign_from` comes, it signs no more, and it stays published
until `retire_at`, when the last ticket it signed is over. So at every moment each valid ticket's
key is known to every edge that took part in the last publication.

The file is JSON with the keys as PEM (PKCS #8), mode 0600, replaced atomically. Times are whole
seconds of Unix time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from appliance.domain.errors import Problem
from appliance.domain.tickets import ALGORITHM, Ticket, encode_claims, encode_part

__all__ = ["KeyRing", "NoSigningKey", "SigningKey", "create", "load"]

_DIGEST = ec.ECDSA(hashes.SHA256())


class NoSigningKey(Problem):
    """The ring holds no key whose time has come; provisioning must rotate it."""


class SigningKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kid: str
    created: int
    sign_from: int
    retire_at: int | None  # None while there is no successor
    pem: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class KeyRing:
    keys: tuple[SigningKey, ...]  # ascending by sign_from

    def sign(self, ticket: Ticket, now: float) -> str:
        """A token over the ticket. Raises UnsignableTicket, or NoSigningKey for a useless ring."""
        key = self.signing_key(now)
        signed = _head(key.kid) + encode_part(encode_claims(ticket))
        der = _private(key.pem).sign(signed.encode(), _DIGEST)
        r, s = utils.decode_dss_signature(der)
        return f"{signed}.{encode_part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def signing_key(self, now: float) -> SigningKey:
        for key in reversed(self.keys):
            if key.sign_from <= now and (key.retire_at is None or now < key.retire_at):
                return key
        raise NoSigningKey("no key for tickets is in force")

    def public_keys(self, now: float) -> dict[str, str]:
        """Key id -> base64url of the uncompressed point (65 bytes), for all not yet retired.

        Holds keys that don't sign yet: the edges must know them before the first ticket.
        """
        return {
            key.kid: encode_part(_point(key.pem))
            for key in self.keys
            if key.retire_at is None or now < key.retire_at
        }

    def rotate(
        self, now: int, *, kid: str, publish_seconds: int, longest_ticket_seconds: int
    ) -> KeyRing:
        """A ring with a new key, which signs `publish_seconds` from now; retired ones are dropped.

        Publish `public_keys` to every edge within that time. A rotation under way must end
        first: with a successor that hasn't begun to sign this returns the ring unchanged, so a
        repeated call is harmless.
        """
        if self.keys and self.keys[-1].sign_from > now:
            return self
        fresh = _generate(kid, now, now + publish_seconds)
        last_use = fresh.sign_from + longest_ticket_seconds
        kept = (
            msgspec.structs.replace(key, retire_at=key.retire_at or last_use)
            for key in self.keys
            if key.retire_at is None or now < key.retire_at
        )
        return KeyRing((*kept, fresh))

    def save(self, path: Path) -> None:
        """Whoever reads at any moment sees the old ring or the new one, whole.

        Who could read the old file can read the new one, and nobody else.
        """
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            if path.exists():
                before = path.stat()
                os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, before.st_mode & 0o777)
            sink.write(msgspec.json.format(msgspec.json.encode(_File(self.keys)), indent=2))
            sink.flush()
            os.fsync(sink.fileno())
        fresh.replace(path)


def create(now: int, *, kid: str) -> KeyRing:
    return KeyRing((_generate(kid, now, now),))


def load(path: Path) -> KeyRing:
    """Raises msgspec.ValidationError (naming the field) or ValueError for a PEM that isn't one."""
    keys = msgspec.json.decode(path.read_bytes(), type=_File).keys
    _check(keys)
    return KeyRing(tuple(sorted(keys, key=lambda key: key.sign_from)))


def _check(keys: Iterable[SigningKey]) -> None:
    for key in keys:
        _private(key.pem)


def _generate(kid: str, created: int, sign_from: int) -> SigningKey:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return SigningKey(kid, created, sign_from, None, pem.decode())


@lru_cache(maxsize=32)
def _head(kid: str) -> str:
    head = msgspec.json.encode({"alg": ALGORITHM, "kid": kid, "typ": "JWT"})
    return encode_part(head) + "."


@lru_cache(maxsize=32)
def _private(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ValueError("a key of the ring isn't an EC key on P-256")
    return key


def _point(pem: str) -> bytes:
    return (
        _private(pem)
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
