from __future__ import annotations

import json

import pytest

from appliance.objects.policies import ROLES, policy, seaweed_identities
from appliance.settings import Credential

ROOT = Credential("root", "root-secret")
CREDENTIALS = {role: Credential(f"{role}-key", f"{role}-secret") for role in ROLES}


def allowed(document) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_the_signer_may_put_blobs_and_nothing_else():
    for kind in ("minio", "seaweedfs"):
        found = allowed(policy("signer", "stowbay", kind=kind))
        assert found == {("s3:PutObject", "arn:aws:s3:::stowbay/blobs/*")}


@pytest.mark.parametrize("role", ROLES)
def test_no_right_is_wider_than_the_bucket(role):
    for action, resource in allowed(policy(role, "stowbay")):
        assert "*" not in action
        assert resource in ("arn:aws:s3:::stowbay", "arn:aws:s3:::stowbay/blobs/*")


def test_only_control_changes_anything_but_by_a_signed_put():
    for role in ("edge", "scrub", "backup"):
        assert {action for action, _ in allowed(policy(role, "stowbay"))} <= {
            "s3:GetObject",
            "s3:ListBucket",
            "s3:GetBucketTagging",
        }


def test_sources_bind_every_allowed_statement():
    document = policy("edge", "stowbay", sources=("10.0.0.0/8",))
    for statement in document["Statement"]:
        assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}
    assert "Condition" not in policy("edge", "stowbay")["Statement"][0]


def test_seaweed_file_has_every_role_once_and_no_actions_but_roots():
    written = json.loads(seaweed_identities("stowbay", CREDENTIALS, ROOT, ("10.0.0.1/32",)))
    identities = {identity["name"]: identity for identity in written["identities"]}
    assert set(identities) == {*ROLES, "root"}
    assert identities.pop("root")["actions"] == ["Admin"]
    documents = {entry["name"]: json.loads(entry["content"]) for entry in written["policies"]}
    for role, identity in identities.items():
        assert "actions" not in identity
        (name,) = identity["policyNames"]
        sources = ("10.0.0.1/32",) if role == "edge" else ()
        assert documents[name] == policy(role, "stowbay", kind="seaweedfs", sources=sources)
        assert identity["credentials"] == [
            {"accessKey": f"{role}-key", "secretKey": f"{role}-secret"}
        ]
