"""Names of objects. Pure; `parse` is the inverse of both makers and knows nothing else as ours.

The random part makes a key unguessable and never used twice; the space in it lets the nightly
comparison of rows and store go space by space, and lets a LIST under one batch show that batch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["BLOBS", "RANDOM_BYTES", "ObjectKey", "batch_key", "batch_prefix", "parse"]
__all__ += ["single_key", "space_prefix"]

BLOBS = "blobs/"
RANDOM_BYTES = 16

_KEY = re.compile(
    r"blobs/(?P<space>[0-9a-f]{16})/(?P<random>[0-9a-f]{32})(?:/(?P<upload>[0-9a-f]{16}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """`upload_id` is None for an object that isn't a batch's member."""

    space_id: int
    random: bytes
    upload_id: int | None

    def __str__(self) -> str:
        if self.upload_id is None:
            return single_key(self.space_id, self.random)
        return batch_key(batch_prefix(self.space_id, self.random), self.upload_id)


def space_prefix(space_id: int) -> str:
    """Everything that a space stores is below this, and nothing else is."""
    return f"{BLOBS}{_hex(space_id)}/"


def single_key(space_id: int, random: bytes) -> str:
    return space_prefix(space_id) + _random(random)


def batch_prefix(space_id: int, random: bytes) -> str:
    """Ends in a slash, so that a LIST under it can't meet another batch's keys."""
    return f"{space_prefix(space_id)}{_random(random)}/"


def batch_key(prefix: str, upload_id: int) -> str:
    if not prefix.endswith("/"):
        raise ValueError("a batch prefix ends in a slash")
    return prefix + _hex(upload_id)


def parse(key: str) -> ObjectKey | None:
    """What the key says, or None for a key that no release of ours has made."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    space_id = int(found["space"], 16)
    upload_id = None if found["upload"] is None else int(found["upload"], 16)
    if not _is_id(space_id) or (upload_id is not None and not _is_id(upload_id)):
        return None
    return ObjectKey(space_id, bytes.fromhex(found["random"]), upload_id)


def _is_id(number: int) -> bool:
    return 0 < number < 1 << 63


def _hex(number: int) -> str:
    if not _is_id(number):
        raise ValueError("an id is a positive 63-bit number")
    return f"{number:016x}"


def _random(random: bytes) -> str:
    if len(random) != RANDOM_BYTES:
        raise ValueError("a key holds 128 random bits")
    return random.hex()
