"""The rights of each credential as policy documents. Pure; one text for both stores.

MinIO and SeaweedFS (its static identities take policies too) read the same documents. Where one
S3 right covers more than we want, SeaweedFS's finer names are denied: s3:PutObject alone would
also let the signer create, complete and abort uploads. MinIO has no finer names for create and
complete and ignores these denials; there a URL's method and query are what holds (they are
signed, and the gateway signs PUT only).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.objects.keys import BLOBS
from appliance.settings import Credential

__all__ = ["ROLES", "policy", "seaweed_identities"]

ROLES = ("signer", "control", "edge", "scrub", "backup")

_BLOB_ACTIONS: dict[str, tuple[str, ...]] = {
    "signer": ("s3:PutObject",),
    "control": (
        "s3:PutObject",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ),
    "edge": ("s3:GetObject",),
    "scrub": ("s3:GetObject",),
    "backup": ("s3:GetObject",),
}
_BUCKET_ACTIONS: dict[str, tuple[str, ...]] = {
    "control": ("s3:ListBucket", "s3:ListBucketMultipartUploads"),
    "scrub": ("s3:ListBucket", "s3:GetBucketTagging"),
    "backup": ("s3:ListBucket",),
}
_SEAWEED_DENIED: dict[str, tuple[str, ...]] = {
    "signer": (
        "s3:CreateMultipartUpload",
        "s3:CompleteMultipartUpload",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ),
}


def policy(
    role: str, bucket: str, *, kind: str = "minio", sources: Sequence[str] = ()
) -> dict[str, Any]:
    """`sources`: addresses or networks (CIDR) from which the credential works; none = any.

    MinIO believes X-Forwarded-For, so `sources` holds only where every proxy before it drops that
    header.
    """
    blobs = f"arn:aws:s3:::{bucket}/{BLOBS}*"
    statements = [_statement("Allow", _BLOB_ACTIONS[role], blobs, sources)]
    if role in _BUCKET_ACTIONS:
        whole = f"arn:aws:s3:::{bucket}"
        statements.append(_statement("Allow", _BUCKET_ACTIONS[role], whole, sources))
    if kind == "seaweedfs" and role in _SEAWEED_DENIED:
        statements.append(_statement("Deny", _SEAWEED_DENIED[role], blobs, ()))
    return {"Version": "2012-10-17", "Statement": statements}


def seaweed_identities(
    bucket: str,
    credentials: Mapping[str, Credential],
    root: Credential | None,
    edge_sources: Sequence[str] = (),
) -> str:
    """The JSON for `-s3.config`: one identity and one policy for each role, and root if given.

    SeaweedFS reads it at start and again at SIGHUP (which ends it when it comes before it
    listens); identities in a file can't be changed through its API. It holds secrets: mode 0600.
    """
    identities: list[dict[str, Any]] = []
    if root is not None:
        identities.append({"name": "root", "credentials": [_pair(root)], "actions": ["Admin"]})
    policies = []
    for role, credential in sorted(credentials.items()):
        sources = edge_sources if role == "edge" else ()
        document = policy(role, bucket, kind="seaweedfs", sources=sources)
        policies.append({"name": f"stowbay-{role}", "content": json.dumps(document)})
        identities.append(
            {
                "name": role,
                "credentials": [_pair(credential)],
                "policyNames": [f"stowbay-{role}"],
            }
        )
    return json.dumps({"identities": identities, "policies": policies}, indent=1)


def _pair(credential: Credential) -> dict[str, str]:
    return {"accessKey": credential.access_key, "secretKey": credential.secret_key}


def _statement(
    effect: str, actions: Sequence[str], resource: str, sources: Sequence[str]
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": effect,
        "Action": list(actions),
        "Resource": [resource],
    }
    if sources:
        statement["Condition"] = {"IpAddress": {"aws:SourceIp": list(sources)}}
    return statement
