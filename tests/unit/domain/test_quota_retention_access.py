from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain import access, quota, retention
from appliance.domain.access import Level
from appliance.domain.errors import Forbidden, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
amount = st.integers(0, 1 << 50)


@given(amount, amount)
def test_a_blob_costs_the_larger_of_its_sizes(raw: int, stored: int) -> None:
    cost = quota.charge(raw, stored)
    assert cost >= raw
    assert cost >= stored
    assert cost in (raw, stored)


@given(amount, st.lists(st.integers(1, 1 << 40), max_size=50))
def test_reservations_one_after_another_never_pass_the_quota(limit: int, wishes: list[int]) -> None:
    reserved = 0
    for wish in wishes:
        if quota.fits(limit, 0, reserved, wish):
            reserved += wish
        else:
            assert reserved + wish > limit
    assert reserved <= limit


def test_what_costs_nothing_fits_in_an_over_full_space() -> None:
    assert quota.fits(10, 20, 5, 0)
    assert not quota.fits(10, 20, 5, 1)
    assert quota.fits(10, 4, 5, 1)
    assert not quota.fits(10, 4, 5, 2)


@given(st.sets(st.integers(1, 1000), min_size=1), st.integers(0, 40), st.data())
def test_the_oldest_versions_go_and_the_current_one_never(
    versions: set[int], kept: int, data: st.DataObject
) -> None:
    current = data.draw(st.sampled_from(sorted(versions)))
    dropped = retention.to_drop(versions, current, kept)
    left = versions - set(dropped)
    assert current in left
    assert dropped == sorted(dropped)
    assert len(dropped) == len(set(dropped))
    assert len(left) == min(len(versions), max(kept, 1))
    assert all(gone < stays for gone in dropped for stays in left - {current})


def test_a_blob_lives_while_anything_refers_to_it() -> None:
    past, future = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
    assert retention.may_die(0, 0, past, NOW)
    assert retention.may_die(0, 0, None, NOW)
    assert retention.may_die(0, 0, NOW, NOW)
    assert not retention.may_die(1, 0, past, NOW)
    assert not retention.may_die(0, 1, past, NOW)
    assert not retention.may_die(0, 0, future, NOW)


def test_its_object_outlives_the_grace() -> None:
    death = retention.Death(NOW, timedelta(days=7))
    assert not death.due(NOW + timedelta(days=7) - timedelta(microseconds=1))
    assert death.due(NOW + timedelta(days=7))


def test_a_space_is_its_owner_s() -> None:
    assert access.level(5, 5) is Level.OWNER
    assert access.level(6, 5) is Level.NONE
    assert access.level(6, 5, [Level.READ, Level.WRITE]) is Level.WRITE


@pytest.mark.parametrize("needs", [Level.READ, Level.WRITE, Level.OWNER])
def test_strangers_learn_nothing_and_guests_are_told_no(needs: Level) -> None:
    with pytest.raises(NotFound) as caught:
        access.require(Level.NONE, needs)
    assert str(caught.value) == "There is nothing with this id."  # the words of a malformed id
    access.require(Level.OWNER, needs)
    access.require(needs, needs)
    if needs > Level.READ:
        with pytest.raises(Forbidden):
            access.require(Level.READ, needs)
