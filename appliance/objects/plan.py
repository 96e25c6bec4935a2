"""What a store should hold, as one document: who provisions it writes this, on hosts by Ansible.

The fingerprint of what was last provisioned is kept by the store itself, as a tag of the bucket
that the scrub credential reads: so it is as old as the data it speaks of, whichever host was
replaced or restored since, and finding out whether there is anything to do needs no root.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from appliance.objects.policies import ROLES, policy
from appliance.settings import Credential

__all__ = ["StorePlan", "fingerprint"]


class StorePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Holds every secret of the store: it travels by standard input and is never kept."""

    kind: str  # "minio" or "seaweedfs"
    endpoint: str
    region: str
    bucket: str
    root: Credential
    credentials: dict[str, Credential]  # by role
    edge_sources: tuple[str, ...] = ()  # addresses or networks the edge credential works from
    retired: tuple[str, ...] = ()  # access keys of earlier rotations, to be taken away
    ca: str = ""


def fingerprint(plan: StorePlan) -> str:
    """Changes with whatever provisioning would write; not with the way to it, root, or an order."""
    written = [
        (
            role,
            plan.credentials[role],
            policy(
                role,
                plan.bucket,
                kind=plan.kind,
                sources=sorted(plan.edge_sources) if role == "edge" else (),
            ),
        )
        for role in ROLES
    ]
    whole = (plan.bucket, written, sorted(plan.retired))
    return sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()
