"""The plain S3 client that transfers are compared with: rclone, set up to be fast."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from minio import Minio

from tests.integration.instance import Instance

from .measure import Run, run

__all__ = ["BUCKET", "Rclone", "make_bucket"]

BUCKET = "stowbay-bench"
_FAST = [
    "--transfers=16",
    "--checkers=16",
    "--s3-upload-concurrency=8",
    "--s3-chunk-size=8M",
    "--multi-thread-streams=8",
    "--s3-no-check-bucket",
    "--retries=1",
]


def _root(instance: Instance) -> tuple[str, str]:
    access, _, secret = (instance.var / "secrets" / "store-root").read_text().strip().partition(":")
    return access, secret


def make_bucket(instance: Instance) -> None:
    """A bucket of the bench's own, encrypted like the product's."""
    from minio.sseconfig import Rule, SSEConfig

    access, secret = _root(instance)
    address = instance.settings["store"]["endpoint"].removeprefix("http://")
    client = Minio(address, access_key=access, secret_key=secret, secure=False)
    if not client.bucket_exists(BUCKET):
        client.make_bucket(BUCKET)
    client.set_bucket_encryption(BUCKET, SSEConfig(Rule.new_sse_s3_rule()))


class Rclone:
    """`endpoint` is the store's own address or nginx's server block for the bench."""

    def __init__(self, instance: Instance, endpoint: str) -> None:
        access, secret = _root(instance)
        self._command = [str(Path(sys.executable).parent / "rclone"), *_FAST]
        self._env = os.environ | {
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CA_CERT": str(instance.ca),
            "RCLONE_CONFIG_S_TYPE": "s3",
            "RCLONE_CONFIG_S_PROVIDER": "Minio" if instance.store == "minio" else "SeaweedFS",
            "RCLONE_CONFIG_S_ACCESS_KEY_ID": access,
            "RCLONE_CONFIG_S_SECRET_ACCESS_KEY": secret,
            "RCLONE_CONFIG_S_ENDPOINT": endpoint,
            "RCLONE_CONFIG_S_REGION": instance.settings["store"]["region"],
        }

    def put(self, local: Path, remote: str) -> Run:
        verb = "copy" if local.is_dir() else "copyto"
        return run([*self._command, verb, local, f"s:{BUCKET}/{remote}"], self._env)

    def get(self, remote: str, local: Path, *, folder: bool = False) -> Run:
        verb = "copy" if folder else "copyto"
        return run([*self._command, verb, f"s:{BUCKET}/{remote}", local], self._env)
