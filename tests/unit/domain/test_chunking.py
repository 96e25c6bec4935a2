from __future__ import annotations

import hashlib
import random

import pytest
from fastcdc import fastcdc
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain import chunking
from appliance.domain.chunking import Chunk
from appliance.domain.errors import InvalidChunkList

MIB = 1 << 20
SCALE = 1024  # the small cuts below have class 0's proportions at a thousandth of its size
ZERO = bytes(32)


def cut(data: bytes, limits: tuple[int, int, int]) -> list[Chunk]:
    low, average, high = limits
    return [
        Chunk(found.length, bytes.fromhex(found.hash))
        for found in fastcdc(data, low, average, high, hf=hashlib.sha256)
    ]


def small(data: bytes) -> list[Chunk]:
    low, average, high = chunking.class_limits(0)
    return cut(data, (low // SCALE, average // SCALE, high // SCALE))


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def borders(chunks: list[Chunk], total: int) -> set[int]:
    """Counted from the end, so that an insert before them moves none."""
    found, left = set(), total
    for chunk in chunks:
        left -= chunk.length
        found.add(left)
    return found


@given(
    seed=st.integers(0, 1 << 32),
    place=st.floats(0, 1),
    insert=st.binary(min_size=1, max_size=3000),
)
def test_an_insert_leaves_nearly_all_borders_where_they_were(
    seed: int, place: float, insert: bytes
) -> None:
    before = content(seed, 512 * 1024)
    at = int(len(before) * place)
    after = before[:at] + insert + before[at:]
    old, new = small(before), small(after)
    lost = {chunk.sha256 for chunk in old} - {chunk.sha256 for chunk in new}
    assert len(lost) <= 24, "of about 65 chunks"
    untouched = [chunk for chunk in old if chunk.sha256 not in lost]
    assert untouched
    tail = borders(old, len(before)) & borders(new, len(after))
    assert 0 in tail
    head = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        head += one.length
    assert head + 10 * 1024 >= at or head == len(before), "chunks before the insert are the same"


def test_on_average_an_insert_costs_a_few_chunks() -> None:
    lost = []
    for seed in range(60):
        before = content(seed, 1 << 20)
        at = random.Random(seed).randrange(len(before))
        after = before[:at] + b"inserted" + before[at:]
        new = {chunk.sha256 for chunk in small(after)}
        lost.append(sum(chunk.sha256 not in new for chunk in small(before)))
    assert sum(lost) / len(lost) < 6
    assert max(lost) < 40


def test_class_0_for_real() -> None:
    """One run with the true limits: the cutter obeys them, and borders hold."""
    before = content(7, 160 * MIB)
    after = before[: 20 * MIB] + b"a few bytes more" + before[20 * MIB :]
    limits = chunking.class_limits(0)
    old, new = cut(before, limits), cut(after, limits)
    chunking.check_chunks(len(before), 0, old)
    chunking.check_chunks(len(after), 0, new)
    same = {chunk.sha256 for chunk in old} & {chunk.sha256 for chunk in new}
    assert len(same) >= len(old) * 0.6
    assert old[-1] == new[-1]


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 10 * MIB + 1])
def test_the_cutter_and_the_check_agree_at_the_edges(size: int) -> None:
    for data in (bytes(size), content(size, size)):
        chunks = cut(data, chunking.class_limits(0))
        chunking.check_chunks(size, 0, chunks)
        if 0 < size <= 5 * MIB:
            assert [chunk.length for chunk in chunks] == [size]


sizes = st.one_of(
    st.sampled_from([0, 1, 5 * MIB, 10_000 * 5 * MIB, 10_000 * 5 * MIB + 1, chunking.MAX_SIZE]),
    st.integers(0, chunking.MAX_SIZE),
    st.integers(0, 100 * MIB),
)


@given(sizes)
def test_the_class_is_the_lowest_that_always_suffices(size: int) -> None:
    cls = chunking.class_for_size(size)
    low, average, high = chunking.class_limits(cls)
    assert (low, average, high) == (5 * MIB * 2**cls, 7 * MIB * 2**cls, 10 * MIB * 2**cls)
    assert -(-size // low) <= chunking.MAX_CHUNKS
    if cls:
        assert -(-size // chunking.class_limits(cls - 1)[0]) > chunking.MAX_CHUNKS
    assert cls < chunking.MAX_CLASS, "one higher is always there to choose"


def test_no_class_beyond_the_range() -> None:
    for cls in (-1, chunking.MAX_CLASS + 1):
        with pytest.raises(InvalidChunkList):
            chunking.class_limits(cls)
    for size in (-1, chunking.MAX_SIZE + 1):
        with pytest.raises(InvalidChunkList):
            chunking.class_for_size(size)


LOW, _, HIGH = chunking.class_limits(0)


@pytest.mark.parametrize(
    ("size", "cls", "lengths", "words"),
    [
        (1, 0, [], "empty, but the file has 1 bytes"),
        (0, 0, [1], "The file is empty"),
        (-1, 0, [], "not -1"),
        (chunking.MAX_SIZE + 1, 8, [1], "0 to"),
        (LOW, -1, [LOW], "no chunk class -1"),
        (LOW, 9, [LOW], "no chunk class 9"),
        (2 * LOW - 1, 0, [LOW - 1, LOW], "Chunk 1 has"),
        (LOW, 0, [LOW, 0], "Chunk 2 has 0 bytes"),
        (LOW + 1, 0, [HIGH + 1], "Chunk 1 has"),
        (LOW, 0, [-LOW], "Chunk 1 has"),
        (LOW + 1, 0, [LOW], "add up to"),
        (LOW - 1, 0, [LOW], "add up to"),
        (10_001 * LOW, 0, [LOW] * 10_001, "10001 chunks"),
        (2 * LOW, 1, [LOW, LOW], "Chunk 1 has"),
    ],
)
def test_a_list_that_describes_no_file_is_refused(
    size: int, cls: int, lengths: list[int], words: str
) -> None:
    with pytest.raises(InvalidChunkList) as caught:
        chunking.check_chunks(size, cls, [Chunk(length, ZERO) for length in lengths])
    assert words in caught.value.detail


@pytest.mark.parametrize("sha256", [b"", bytes(31), bytes(33)])
def test_a_fingerprint_has_32_bytes(sha256: bytes) -> None:
    with pytest.raises(InvalidChunkList, match="SHA-256 of chunk 1"):
        chunking.check_chunks(5, 0, [Chunk(5, sha256)])


any_chunks = st.lists(
    st.builds(Chunk, st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32)),
    max_size=20,
)


@given(any_chunks)
def test_a_packed_list_comes_back(chunks: list[Chunk]) -> None:
    packed = chunking.pack(chunks)
    assert len(packed) == 40 * len(chunks)
    assert list(chunking.unpack(packed)) == chunks


@pytest.mark.parametrize("length", [1, 39, 41])
def test_a_torn_packed_list_is_refused(length: int) -> None:
    with pytest.raises(InvalidChunkList):
        chunking.unpack(bytes(length))


@given(any_chunks, st.integers(0, 8), any_chunks, st.integers(0, 8))
def test_fingerprints_are_equal_for_equal_content_only(
    one: list[Chunk], cls: int, other: list[Chunk], other_cls: int
) -> None:
    same = (cls, one) == (other_cls, other)
    equal = chunking.fingerprint(cls, one) == chunking.fingerprint(other_cls, other)
    assert equal is same
    assert chunking.fingerprint(cls, one) == chunking.fingerprint(cls, tuple(one))


def test_the_fingerprint_is_pinned() -> None:
    """Clients of every release compute it: it may never change."""
    by_hand = hashlib.sha256(
        b"stowbay-file-v1\x02" + (7).to_bytes(8, "big") + hashlib.sha256(b"content").digest()
    ).digest()
    assert chunking.fingerprint(2, [Chunk(7, hashlib.sha256(b"content").digest())]) == by_hand
    assert chunking.fingerprint(0, []) == hashlib.sha256(b"stowbay-file-v1\x00").digest()
