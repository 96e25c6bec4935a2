"""Where a node is, told by its way up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.ids import PURGING, ROOT, TRASH
from appliance.domain.tree import Place, depth_of, is_within, place_of

PARENTS = {ROOT: 0, 10: ROOT, 11: 10, 20: TRASH, 21: 20, 30: PURGING, 31: 30, 41: 40}


def test_places() -> None:
    expected = {
        ROOT: Place.LIVE, 10: Place.LIVE, 11: Place.LIVE, 20: Place.TRASHED, 21: Place.TRASHED,
        30: Place.GONE, 31: Place.GONE, 41: Place.GONE, 99: Place.GONE,
        TRASH: Place.GONE, PURGING: Place.GONE,
    }  # fmt: skip
    assert {node: place_of(node, PARENTS) for node in expected} == expected


def test_within() -> None:
    assert is_within(11, 10, PARENTS)
    assert is_within(10, 10, PARENTS)
    assert is_within(11, ROOT, PARENTS)
    assert not is_within(10, 11, PARENTS)
    assert not is_within(21, 10, PARENTS)


def test_depth() -> None:
    assert [depth_of(node, PARENTS) for node in (ROOT, 10, 11)] == [0, 1, 2]


@given(st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=60))
def test_moves_that_are_not_within_never_make_a_cycle(choices: list[int]) -> None:
    """Nodes 10.. each below the one that `choices` picks, whenever is_within allows it."""
    parents = {ROOT: 0} | {10 + n: ROOT for n in range(10)}
    for step, choice in enumerate(choices):
        node, target = 10 + step % 10, 10 + choice % 10
        if not is_within(target, node, parents):
            parents[node] = target
    assert {place_of(node, parents) for node in parents} == {Place.LIVE}
