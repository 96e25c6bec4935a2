"""Pools that can't spare a host are named, with the numbers of drives that would stand."""

from __future__ import annotations

import pytest

from .plugins import filter_plugin

faults = filter_plugin("pool_faults")

TRIO = ["c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("drives", "size", "parity"),
    [(1, 1, 0), (2, 2, 1), (3, 3, 1), (6, 6, 3), (15, 15, 4), (17, 0, 4), (18, 9, 4), (20, 10, 4),
     (21, 7, 3), (24, 12, 4), (34, 2, 1), (39, 13, 4), (48, 16, 4), (75, 15, 4)],
)  # fmt: skip
def test_sets_are_as_large_as_divides_the_pool(drives: int, size: int, parity: int) -> None:
    assert faults.set_size(drives) == size
    assert not size or faults.default_parity(size) == parity


def test_three_hosts_spare_one_with_these_numbers_of_drives() -> None:
    stand = [drives for drives in range(1, 17) if not faults.pool_faults([TRIO], drives)]
    assert stand == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12]


@pytest.mark.parametrize(
    ("hosts", "stand"),
    [
        (2, []),
        (4, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        (5, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        (17, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
    ],
)
def test_other_numbers_of_hosts(hosts: int, stand: list[int]) -> None:
    pool = [f"c{number}" for number in range(1, hosts + 1)]
    assert [n for n in range(1, 17) if not faults.pool_faults([pool], n)] == stand


def test_it_is_said_what_is_lost_and_what_would_stand() -> None:
    assert faults.pool_faults([TRIO], 5) == [
        "The pool c1, c2, c3: 5 drives a host make erasure sets of 15, 4 of it parity, of which "
        "one host holds 5; without that host nothing could be read.",
        "With 1, 2, 3, 4, 6, 7, 8, 9, 11, 12 drives a host (objectstore_drives) it would stand.",
    ]


def test_half_of_the_drives_is_no_quorum_for_writes() -> None:
    told, remedy = faults.pool_faults([["c1", "c2"]], 2)
    assert "sets of 4, 2 of it parity, of which one host holds 2" in told
    assert told.endswith("without that host nothing could be written.")
    assert remedy == "Give each pool three hosts or more (objectstore_pools)."


@pytest.mark.parametrize("drives", [1, 2, 5, 15, 16])
def test_a_single_host_has_no_other_to_lose(drives: int) -> None:
    assert faults.pool_faults([["c1"]], drives) == []


def test_drives_that_no_set_divides() -> None:
    told, remedy = faults.pool_faults([["c1"]], 17)
    assert told == "The pool c1: its 17 drives can't be divided into erasure sets of 2 to 16."
    assert remedy.startswith("With 1, 2, 3")


def test_a_pool_on_one_host_beside_one_of_three() -> None:
    told, _ = faults.pool_faults([TRIO, ["c4"]], 4)
    assert told == "The pool c4: it lies on one host, and its files are away with that host."


def test_the_first_pools_parity_is_the_others_too() -> None:
    """Six hosts of one drive have sets of 6 with 3 of parity alone, and 1 after a pool of 3."""
    second = [f"c{number}" for number in range(4, 10)]
    assert faults.pool_faults([TRIO, second], 1) == []
    told, _ = faults.pool_faults([[*second, "c10", "c11"], TRIO], 1)
    assert told == "The pool c1, c2, c3: the first pool's parity, 4, is more than half of its " \
        "sets of 3."  # fmt: skip


@pytest.mark.parametrize(("pools", "drives"), [([[]], 3), ([], 3), ([TRIO], 0)])
def test_what_other_assertions_refuse_is_no_exception(pools: list[list[str]], drives: int) -> None:
    assert faults.pool_faults(pools, drives) == []
