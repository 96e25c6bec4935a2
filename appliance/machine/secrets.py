"""Every secret of an instance, each a file of its own, made once and never printed.

A file that is there is never replaced: the database, the store's data and the clients depend on
what it holds. Losing `seaweed-encryption-key` or `minio-encryption-key` loses the stored files.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.machine.places import private_folder, write_private
from appliance.settings import Credential

__all__ = ["Secrets", "keep_secrets"]

STORE_CREDENTIALS = ("signer", "control", "edge", "scrub", "backup")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the parts need to know of each other."""

    postgres_owner: str
    postgres_application: str
    redis: str
    store_root: Credential
    store: dict[str, Credential]  # by role, as objects.policies names them
    seaweed_volume_jwt: str
    seaweed_filer_jwt: str
    seaweed_encryption_key: str  # hexadecimal, 32 bytes
    minio_encryption_key: str  # base64, 32 bytes
    admin_password_file: Path


def keep_secrets(folder: Path, random_bytes: Callable[[int], bytes]) -> Secrets:
    """Read the secrets, making those that are missing."""
    private_folder(folder)

    def kept(name: str, make: Callable[[], str]) -> str:
        path = folder / name
        if not path.exists():
            write_private(path, make() + "\n")
        path.chmod(0o600)
        return path.read_text(encoding="utf-8").strip()

    def word() -> str:
        return random_bytes(24).hex()

    def credential(name: str) -> Credential:
        # S3 access keys are at most 20 characters on MinIO, its secrets at most 40.
        text = kept(f"store-{name}", lambda: f"{random_bytes(10).hex()}:{random_bytes(20).hex()}")
        access, _, secret = text.partition(":")
        return Credential(access_key=access, secret_key=secret)

    kept("admin-password", lambda: base64.b32encode(random_bytes(15)).decode().lower())
    return Secrets(
        postgres_owner=kept("postgres-owner", word),
        postgres_application=kept("postgres-application", word),
        redis=kept("redis", word),
        store_root=credential("root"),
        store={name: credential(name) for name in STORE_CREDENTIALS},
        seaweed_volume_jwt=kept("seaweed-volume-jwt", word),
        seaweed_filer_jwt=kept("seaweed-filer-jwt", word),
        seaweed_encryption_key=kept("seaweed-encryption-key", lambda: random_bytes(32).hex()),
        minio_encryption_key=kept(
            "minio-encryption-key", lambda: base64.b64encode(random_bytes(32)).decode()
        ),
        admin_password_file=folder / "admin-password",
    )
