"""Who is master is the sentinels' decision; what a member does when they say nothing, too."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[3] / "ansible/roles/redis/files/redis_member.py"
SPEC = spec_from_file_location("redis_member", FILE)
assert SPEC is not None
assert SPEC.loader is not None
member: Any = module_from_spec(SPEC)
SPEC.loader.exec_module(member)

A, B, C = MEMBERS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


def following(master: str) -> list[Any]:
    return ["slave", master, 6379, "connected", 17]


@pytest.mark.parametrize(
    ("answers", "master"),
    [
        ([], A),
        ([(0, B)], B),
        ([(3, B), (4, C), (4, C), (0, A)], C),
        ([(9, "10.9.9.9")], A),
        ([(9, "10.9.9.9"), (2, B)], B),
    ],
)
def test_the_newest_epoch_of_a_member_wins(answers: list[tuple[int, str]], master: str) -> None:
    assert member.chosen(answers, MEMBERS) == master


def test_a_sentinels_own_file_is_remembered() -> None:
    live = f"port 0\nsentinel monitor stowbay {B} 6379 2\nsentinel config-epoch stowbay 7\n"
    assert member.remembered(live) == [(7, B)]
    assert member.remembered(f"sentinel monitor stowbay {B} 6379 2\n") == [(0, B)]
    assert member.remembered("") == []


def test_a_group_that_is_well_has_no_faults() -> None:
    redis = {A: following(B), B: ["master", 5, []], C: following(B)}
    assert member.faults(MEMBERS, redis, dict.fromkeys(MEMBERS, (B, 2))) == []
    assert member.faults([A], {A: ["master", 0, []]}, {A: None}) == []


@pytest.mark.parametrize(
    ("redis", "sentinels", "word"),
    [
        ({B: None}, {}, "redis on 10.0.0.2 doesn't answer"),
        ({A: ["master", 1, []]}, {}, "there are 2 masters"),
        ({B: following(C)}, {}, "there are 0 masters"),
        ({A: following(C)}, {}, "redis on 10.0.0.1 doesn't follow 10.0.0.2"),
        ({A: ["slave", B, 6379, "connect", -1]}, {}, "(10.0.0.2, connect)"),
        ({}, {C: None}, "the sentinel on 10.0.0.3 doesn't answer"),
        ({}, {C: (A, 2)}, "the sentinel on 10.0.0.3 sees master 10.0.0.1"),
        ({}, {C: (B, 1)}, "and 1 others"),
    ],
)
def test_each_fault_is_named(redis: dict[str, Any], sentinels: dict[str, Any], word: str) -> None:
    healthy = {A: following(B), B: ["master", 5, []], C: following(B)}
    seen = dict.fromkeys(MEMBERS, (B, 2))
    found = member.faults(MEMBERS, {**healthy, **redis}, {**seen, **sentinels})
    assert any(word in each for each in found), found


def test_a_member_that_is_not_awaited_may_be_lost() -> None:
    redis = {A: None, B: ["master", 5, []], C: following(B)}
    sentinels = {A: None, B: (B, 2), C: (B, 2)}
    assert member.faults(MEMBERS, redis, sentinels, [B, C]) == []
    assert len(member.faults(MEMBERS, redis, sentinels, [A, B])) == 2
    headless = {**redis, B: following(C)}
    assert member.faults(MEMBERS, headless, sentinels, [B, C]) == ["there are 0 masters: none"]
    torn = {**sentinels, C: (C, 2)}
    assert len(member.faults(MEMBERS, redis, torn, [B, C])) == 1
