"""What drills make of what hosts and clients said."""

from __future__ import annotations

import pytest

from tests.cluster.drills.hosts import not_restarted
from tests.cluster.drills.load import problem_code


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
