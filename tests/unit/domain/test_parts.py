from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain import chunking, parts
from appliance.domain.chunking import Chunk
from appliance.domain.parts import Method

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
ZERO = bytes(32)


def lengths(size: int, low: int, high: int, spread: list[int]) -> list[int]:
    """A legal cut of `size` bytes: each chunk but the last is low + some of the spread."""
    found: list[int] = []
    left = size
    while left > 0:
        take = low + (high - low) * spread[len(found) % len(spread)] // 100
        found.append(min(take, left))
        left -= found[-1]
    return found


EDGES = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 10 * MIB + 1, 5 * GIB]
EDGES += [10_000 * 5 * MIB << cls for cls in range(7)]
EDGES += [(10_000 * 5 * MIB << cls) + 1 for cls in range(7)]
EDGES += [TIB, 5 * TIB - 1, 5 * TIB]
spreads = st.one_of(
    st.just([0]), st.just([100]), st.lists(st.integers(0, 100), min_size=1, max_size=5)
)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("spread", [[0], [100], [0, 100]])
@pytest.mark.parametrize("raised", [False, True])
def test_a_plan_obeys_s3_at_the_edges(size: int, spread: list[int], raised: bool) -> None:
    obeys(size, spread, raised)


@settings(max_examples=60)
@given(st.floats(0, 1), spreads, st.booleans())
def test_a_plan_obeys_s3_from_nothing_to_5_tib(
    share: float, spread: list[int], raised: bool
) -> None:
    """Sizes spread evenly over their magnitudes, of which there are 42."""
    obeys(min(int(2 ** (share * 42.4)), 5 * TIB), spread, raised)


def obeys(size: int, spread: list[int], raised: bool) -> None:
    cls = chunking.class_for_size(size) + raised
    low, _, high = chunking.class_limits(cls)
    chunks = [Chunk(length, ZERO) for length in lengths(size, low, high, spread)]
    chunking.check_chunks(size, cls, chunks)
    plan = parts.plan(chunks)
    assert len(plan) == len(chunks) <= 10_000
    assert [part.number for part in plan] == list(range(1, len(plan) + 1))
    assert all(part.length >= 5 * MIB for part in plan[:-1])
    assert all(0 < part.length <= 5 * GIB for part in plan)
    end = 0
    for part in plan:
        assert part.offset == end
        end += part.length
    assert end == size


@pytest.mark.parametrize(
    ("count", "method"), [(0, Method.EMPTY), (1, Method.SINGLE), (2, Method.MULTIPART)]
)
def test_one_chunk_is_one_put_and_none_is_no_object(count: int, method: Method) -> None:
    assert parts.method_of([Chunk(5 * MIB, ZERO)] * count) is method


def test_part_n_is_chunk_n() -> None:
    chunks = [Chunk(6 * MIB, hashlib.sha256(bytes([n])).digest()) for n in range(3)]
    assert [part.sha256 for part in parts.plan(chunks)] == [chunk.sha256 for chunk in chunks]


@pytest.mark.parametrize("broken", [[5 * MIB - 1, 5 * MIB], [0], [5 * GIB + 1], [5 * MIB] * 10_001])
def test_a_list_that_no_check_has_seen_makes_no_plan(broken: list[int]) -> None:
    with pytest.raises(AssertionError):
        parts.plan([Chunk(length, ZERO) for length in broken])


@given(st.lists(st.integers(1, 60)))
def test_runs_are_the_same_numbers_in_as_few_ranges_as_can_be(numbers: list[int]) -> None:
    runs = parts.runs(numbers)
    assert [n for first, last in runs for n in range(first, last + 1)] == sorted(set(numbers))
    assert all(one[1] + 1 < two[0] for one, two in itertools.pairwise(runs))


@given(st.integers(0, 12), st.sets(st.integers(1, 12)))
def test_a_resume_sends_what_is_not_there(count: int, done: set[int]) -> None:
    plan = parts.plan([Chunk(5 * MIB, ZERO)] * count)
    left = parts.missing(plan, done)
    assert {part.number for part in left} == set(range(1, count + 1)) - done
    assert set(left) <= set(plan)


@given(st.sets(st.integers(1, 10_000), max_size=200))
def test_a_few_listings_show_all_the_asked_parts(numbers: set[int]) -> None:
    ranges = parts.listings(numbers)
    assert numbers <= {n for first, last in ranges for n in range(first, last + 1)}
    assert all(one[1] + 100 <= two[0] for one, two in itertools.pairwise(ranges))
    assert len(ranges) <= 8


def test_listings_join_what_is_close_and_give_up_on_what_is_scattered() -> None:
    assert parts.listings([]) == []
    assert parts.listings([5, 6, 104, 300]) == [(5, 104), (300, 300)]
    assert parts.listings(range(1, 1000, 2)) == [(1, 999)]
    assert len(parts.listings(range(1, 10_000, 1300))) == 8
    assert parts.listings(range(1, 10_000, 1000)) == [(1, 9001)]
