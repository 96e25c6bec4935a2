"""Chunks: how a file is cut, what a chunk list must satisfy, and the fingerprint made of it.

A file is cut by its content (FastCDC, done by the client), so an insert moves few borders and
the rest of the chunks are found again. Class 0 has min 5, avg 7, max 10 MiB, and each higher class
doubles all three: class 7 suffices for 5 TiB, and 8 is there because a client may go one class
higher than it must. min is never below S3's 5 MiB, as chunk n of an identity blob is part n.

Invariant of an accepted list: lengths add up to the size; all but the last are within [min, max]
of the class and the last within (0, max]; there are at most 10,000. An empty file, and only that,
has an empty list and no object in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.domain.errors import InvalidChunkList

__all__ = [
    "MAX_BATCH_CHUNKS",
    "MAX_CHUNKS",
    "MAX_CLASS",
    "MAX_SIZE",
    "Chunk",
    "check_chunks",
    "chunk_at",
    "class_for_size",
    "class_limits",
    "fingerprint",
    "pack",
    "unpack",
]

MIB = 1 << 20
MAX_CHUNKS = 10_000
MAX_BATCH_CHUNKS = 2 * MAX_CHUNKS  # of all uploads of one call: bounds what it takes to answer
MAX_CLASS = 8
MAX_SIZE = 5 << 40  # S3's largest object
_ROW = 8 + 32


@dataclass(frozen=True, slots=True)
class Chunk:
    length: int
    sha256: bytes  # of the raw bytes


def class_limits(cls: int) -> tuple[int, int, int]:
    """(min, avg, max) in bytes."""
    if not 0 <= cls <= MAX_CLASS:
        raise InvalidChunkList(f"There is no chunk class {cls}; they go from 0 to {MAX_CLASS}.")
    return 5 * MIB << cls, 7 * MIB << cls, 10 * MIB << cls


def class_for_size(size: int) -> int:
    """The lowest class in which not even the worst cut of `size` bytes has over 10,000 chunks."""
    if not 0 <= size <= MAX_SIZE:
        raise InvalidChunkList(f"A file has 0 to {MAX_SIZE} bytes, not {size}.")
    for cls in range(MAX_CLASS + 1):
        if -(-size // class_limits(cls)[0]) <= MAX_CHUNKS:
            return cls
    raise AssertionError("the highest class holds the largest file")


def check_chunks(size: int, cls: int, chunks: Sequence[Chunk]) -> None:
    """Refuse a list that the invariant above doesn't hold for. Chunk numbers start at 1."""
    low, _, high = class_limits(cls)
    if not 0 <= size <= MAX_SIZE:
        raise InvalidChunkList(f"A file has 0 to {MAX_SIZE} bytes, not {size}.")
    if size and not chunks:
        raise InvalidChunkList(f"The list is empty, but the file has {size} bytes.")
    if chunks and not size:
        raise InvalidChunkList(f"The file is empty, but the list has {len(chunks)} chunks.")
    if len(chunks) > MAX_CHUNKS:
        raise InvalidChunkList(f"The list has {len(chunks)} chunks; {MAX_CHUNKS} is the most.")
    for number, chunk in enumerate(chunks, 1):
        least = 1 if number == len(chunks) else low
        if not least <= chunk.length <= high:
            raise InvalidChunkList(
                f"Chunk {number} has {chunk.length} bytes; class {cls} takes {least} to {high}"
                f"{' for the last one' if number == len(chunks) else ''}."
            )
        if len(chunk.sha256) != 32:
            raise InvalidChunkList(f"The SHA-256 of chunk {number} isn't 32 bytes long.")
    total = sum(chunk.length for chunk in chunks)
    if total != size:
        raise InvalidChunkList(f"The chunks add up to {total} bytes, but the file has {size}.")


def fingerprint(cls: int, chunks: Sequence[Chunk]) -> bytes:
    """32 bytes that stand for the content: equal lists, equal bytes, without reading them again."""
    return hashlib.sha256(b"stowbay-file-v1" + bytes([cls]) + pack(chunks)).digest()


def pack(chunks: Sequence[Chunk]) -> bytes:
    """40 bytes a chunk: length (8, big-endian) and SHA-256. As stored, and as fingerprinted."""
    return b"".join(chunk.length.to_bytes(8, "big") + chunk.sha256 for chunk in chunks)


def unpack(data: bytes) -> tuple[Chunk, ...]:
    if len(data) % _ROW:
        raise InvalidChunkList(f"A packed list has {_ROW} bytes a chunk, not {len(data)} in all.")
    return tuple(
        Chunk(int.from_bytes(data[at : at + 8], "big"), data[at + 8 : at + _ROW])
        for at in range(0, len(data), _ROW)
    )


def chunk_at(data: bytes, number: int) -> Chunk:
    """One chunk of a packed list, by its number from 1, at the cost of one."""
    (found,) = unpack(data[(number - 1) * _ROW : number * _ROW])
    return found
