from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.objects.plan import StorePlan, fingerprint
from appliance.objects.policies import ROLES
from appliance.settings import Credential

PLAN = StorePlan(
    kind="minio",
    endpoint="https://10.0.0.1:9000",
    region="us-east-1",
    bucket="stowbay",
    root=Credential("root", "root-secret"),
    credentials={role: Credential(f"{role}-key", f"{role}-secret") for role in ROLES},
    edge_sources=("10.0.0.1", "10.0.0.2"),
    retired=("old-1", "old-2"),
)
OTHER = {**PLAN.credentials, "edge": Credential("edge-key", "another secret")}


def changed(**fields: Any) -> str:
    return fingerprint(msgspec.structs.replace(PLAN, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"bucket": "another"},
        {"credentials": OTHER},
        {"edge_sources": ("10.0.0.1",)},
        {"retired": ()},
        {"kind": "seaweedfs"},
    ],
)
def test_what_would_be_written_changes_it(fields: dict[str, Any]) -> None:
    assert changed(**fields) != fingerprint(PLAN)


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "https://10.0.0.2:9000"},
        {"ca": "/elsewhere"},
        {"root": Credential("root", "renewed")},
        {"edge_sources": ("10.0.0.2", "10.0.0.1")},
        {"retired": ("old-2", "old-1")},
        {"credentials": dict(reversed(PLAN.credentials.items()))},
    ],
)
def test_the_way_there_and_the_order_of_things_do_not(fields: dict[str, Any]) -> None:
    assert changed(**fields) == fingerprint(PLAN)


def test_it_tells_no_secret() -> None:
    assert len(fingerprint(PLAN)) == 64
