"""Which parts the store is sent, for identity blobs: part n is chunk n.

S3's limits, which the chunk classes were chosen for: at most 10,000 parts, each at most 5 GiB,
each but the last at least 5 MiB as stored. A file of one chunk needs no multipart upload: it is a
single presigned PUT, so its one part has no lower bound. An empty file needs no object at all.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.domain.chunking import Chunk

__all__ = [
    "MAX_PARTS",
    "MAX_PART_BYTES",
    "MIN_PART_BYTES",
    "Method",
    "Part",
    "listings",
    "method_of",
    "missing",
    "plan",
    "runs",
]

MIN_PART_BYTES = 5 << 20
MAX_PART_BYTES = 5 << 30
MAX_PARTS = 10_000
_CLOSE = 100  # part numbers
_LISTINGS = 8


class Method(StrEnum):
    EMPTY = "empty"  # no bytes, no object
    SINGLE = "single"  # one presigned PUT of the whole object
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True)
class Part:
    number: int  # from 1, as in S3
    offset: int  # of its first byte in the file
    length: int
    sha256: bytes


def method_of(chunks: Sequence[Chunk]) -> Method:
    if not chunks:
        return Method.EMPTY
    return Method.SINGLE if len(chunks) == 1 else Method.MULTIPART


def plan(chunks: Sequence[Chunk]) -> tuple[Part, ...]:
    """The parts of a list that check_chunks has accepted, which is why S3's limits hold."""
    assert len(chunks) <= MAX_PARTS, len(chunks)
    found: list[Part] = []
    offset = 0
    for number, chunk in enumerate(chunks, 1):
        assert 0 < chunk.length <= MAX_PART_BYTES, chunk.length
        assert chunk.length >= MIN_PART_BYTES or number == len(chunks), (number, chunk.length)
        found.append(Part(number, offset, chunk.length, chunk.sha256))
        offset += chunk.length
    return tuple(found)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending contiguous ranges, both ends included: {1, 2, 3, 7} is [(1, 3), (7, 7)]."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def listings(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges to list at the store for these parts: few, whatever numbers a client has chosen.

    A page of a listing holds a thousand parts: what lies between two runs that are close comes for
    less than a call of its own, and scattered numbers are found by one listing of all.
    """
    found: list[tuple[int, int]] = []
    for first, last in runs(numbers):
        if found and first - found[-1][1] < _CLOSE:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found if len(found) <= _LISTINGS else [(found[0][0], found[-1][1])]


def missing(parts: Iterable[Part], done: Container[int]) -> tuple[Part, ...]:
    """What a resume still has to send; `done` holds part numbers that the store confirmed."""
    return tuple(part for part in parts if part.number not in done)
