"""What drills make of what hosts and clients said."""

from __future__ import annotations

import pytest

from tests.cluster.drills.hosts import not_restarted, whole_shard
from tests.cluster.drills.load import problem_code
from tests.cluster.drills.pieces import lacking


def test_a_service_was_restarted_when_its_run_is_another():
    before = {"c1 nginx.service": "a", "c2 nginx.service": "b", "c2 etcd.service": "c"}
    assert not_restarted(before, {unit: f"{run}x" for unit, run in before.items()}) == []
    assert not_restarted(before, {**before, "c2 etcd.service": "d"}) == [
        "c1 nginx.service",
        "c2 nginx.service",
    ]


def test_a_service_that_is_gone_was_not_restarted():
    assert not_restarted({"c1 nginx.service": "a"}, {"c2 nginx.service": "b"}) == [
        "c1 nginx.service"
    ]


SHARD = [
    {"Member": "c1", "Role": "Leader", "State": "running", "TL": 4},
    {"Member": "c2", "Role": "Quorum Standby", "State": "streaming", "TL": 4},
    {"Member": "c3", "Role": "Replica", "State": "streaming", "TL": 4},
]


def test_a_shard_is_whole_when_all_stream():
    assert whole_shard(SHARD, 3)


@pytest.mark.parametrize(
    "members",
    [
        SHARD[:2],
        SHARD[1:],
        [*SHARD[:2], SHARD[2] | {"State": "running"}],
        [*SHARD[:2], SHARD[2] | {"TL": 3}],
        [SHARD[0], SHARD[1] | {"Role": "Replica"}, SHARD[2]],
        [SHARD[0], SHARD[1] | {"Role": "Leader"}, SHARD[2]],
    ],
    ids=["one-gone", "no-leader", "parted", "old-timeline", "nobody-confirms", "two-leaders"],
)
def test_a_shard_is_not_whole(members):
    assert not whole_shard(members, 3)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("failed: /u1: the store has no room left. [store-full]", "store-full"),
        ("a warning [odd]\nstowbay: There is no room. [store-full]", "store-full"),
        ("failed: /u1: The address c1:443: timed out. [unreachable]", "unreachable"),
        ("failed: /u1 [store-full]\nTraceback", ""),
        ("Killed", ""),
        ("", ""),
    ],
)
def test_the_code_is_the_end_of_what_the_client_said(said, code):
    assert problem_code(said) == code


def test_an_object_lacks_the_drives_that_have_no_piece_of_it():
    drives = {"c1/d1": {"a", "b"}, "c1/d2": {"a", "odd"}, "c2/d1": {"b"}}
    assert lacking(["a", "b", "gone"], drives) == {
        "a": ["c2/d1"],
        "b": ["c1/d2"],
        "gone": ["c1/d1", "c1/d2", "c2/d1"],
    }
    assert lacking(["a"], {"c1/d1": {"a"}, "c1/d2": {"a", "odd"}}) == {}
