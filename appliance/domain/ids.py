"""Ids: positive 63-bit integers inside, one opaque string outside.

    space or user   16 bits slot | 47 bits       all random at birth
    inside a space  50 bits µs since 2025-01-01 UTC | 13 random bits      (until the year 2060)

The slot of a key decides which database holds it, so a slot range is an id range. Ids inside a
space sort by time and are unique there, not beyond: what leaves the server therefore holds key
and id, and an opaque id alone is enough to route a request.

    "n" node, "v" version, "u" upload and its blob    letter + base64url(space 8 | id 8)  23 chars
    "s" space, "p" user                               letter + base64url(key 8)           12 chars
    "sbt_" token                                      base64url(user 8 | token 8 | secret 24)

An id that isn't well formed is answered like one that doesn't exist: NotFound, with no word on
why. Exactly one text stands for each id, so opaque ids may be compared as strings.
"""

from __future__ import annotations

import hashlib
import threading
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from appliance.domain.errors import NotFound, Unauthorized

__all__ = [
    "EPOCH",
    "MAX_ID",
    "PURGING",
    "ROOT",
    "SYSTEM_NODES",
    "TRASH",
    "IdMaker",
    "Token",
    "decode",
    "decode_key",
    "email_key",
    "encode",
    "encode_key",
    "new_key",
    "slot_of",
    "time_of",
]

# Nodes that every space has from birth.
ROOT = 1
TRASH = 2
PURGING = 3
SYSTEM_NODES = frozenset({ROOT, TRASH, PURGING})

MAX_ID = (1 << 63) - 1
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH_US = int(EPOCH.timestamp()) * 1_000_000
_SLOT_SHIFT = 47
_RANDOM_BITS = 13
_PAIR_KINDS = frozenset("nvu")
_KEY_KINDS = frozenset("sp")

Randbits = Callable[[int], int]


def slot_of(key: int) -> int:
    """0..65535."""
    return key >> _SLOT_SHIFT


def new_key(randbits: Randbits) -> int:
    """A space or user id. The slot is random too: nothing about a user can be read from it."""
    while (key := randbits(63)) == 0:
        pass
    return key


def email_key(login: str) -> int:
    """Where a login is looked up. Two spellings of one address must land on the same row."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", login).casefold())
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1 or 1


class IdMaker:
    """Strictly increasing ids for one process, also when the clock stands still or steps back.

    Each call starts in a microsecond that no earlier call touched, at a random place in it. A
    batch is a run of successive ids: two processes can only collide by starting within about
    the same microsecond, where a batch spread over many of them would nearly surely meet another.
    `clock_us` gives microseconds since the Unix epoch.
    """

    def __init__(self, clock_us: Callable[[], int], randbits: Randbits) -> None:
        self._clock_us = clock_us
        self._randbits = randbits
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        return self.batch(1)[0]

    def batch(self, n: int) -> range:
        with self._lock:
            now = max(self._clock_us() - _EPOCH_US, (self._last >> _RANDOM_BITS) + 1)
            first = now << _RANDOM_BITS | self._randbits(_RANDOM_BITS)
            if first + n > MAX_ID:
                raise OverflowError("ids inside a space end in the year 2060; check the clock")
            self._last = max(self._last, first + n - 1)
            return range(first, first + n)


def time_of(id: int) -> datetime:
    """When an id inside a space was made, by the clock of the process that made it."""
    return EPOCH + timedelta(microseconds=id >> _RANDOM_BITS)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str, size: int) -> bytes | None:
    """None unless `text` is the one spelling of `size` bytes (Python's decoder skips junk)."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        return None
    return raw if len(raw) == size and _text(raw) == text else None


def _id(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def encode(kind: str, space_id: int, id: int) -> str:
    assert kind in _PAIR_KINDS, kind
    assert 0 < space_id <= MAX_ID, space_id
    assert 0 < id <= MAX_ID, id
    return kind + _text(space_id.to_bytes(8, "big") + id.to_bytes(8, "big"))


def decode(kind: str, text: str) -> tuple[int, int]:
    """(space id, id)."""
    assert kind in _PAIR_KINDS, kind
    raw = _bytes(text[1:], 16) if text[:1] == kind else None
    if raw is not None:
        space_id, id = _id(raw[:8]), _id(raw[8:])
        if 0 < space_id <= MAX_ID and 0 < id <= MAX_ID:
            return space_id, id
    raise NotFound("There is nothing with this id.")


def encode_key(kind: str, key: int) -> str:
    assert kind in _KEY_KINDS, kind
    assert 0 < key <= MAX_ID, key
    return kind + _text(key.to_bytes(8, "big"))


def decode_key(kind: str, text: str) -> int:
    assert kind in _KEY_KINDS, kind
    raw = _bytes(text[1:], 8) if text[:1] == kind else None
    if raw is not None and 0 < (key := _id(raw)) <= MAX_ID:
        return key
    raise NotFound("There is nothing with this id.")


@dataclass(frozen=True, slots=True)
class Token:
    """A session token. It carries the user's key, so that it routes without a lookup."""

    user_id: int
    token_id: int
    secret: bytes = field(repr=False)  # 24 random bytes; only hash() of them is ever stored

    @classmethod
    def new(cls, user_id: int, randbits: Randbits) -> Token:
        return cls(user_id, new_key(randbits), randbits(192).to_bytes(24, "big"))

    @classmethod
    def parse(cls, text: str) -> Token:
        raw = _bytes(text[4:], 40) if text.startswith("sbt_") else None
        if raw is not None:
            user_id, token_id = _id(raw[:8]), _id(raw[8:16])
            if 0 < user_id <= MAX_ID and 0 < token_id <= MAX_ID:
                return cls(user_id, token_id, raw[16:])
        raise Unauthorized("This isn't a valid token; sign in again.")

    def format(self) -> str:
        ids = self.user_id.to_bytes(8, "big") + self.token_id.to_bytes(8, "big")
        return "sbt_" + _text(ids + self.secret)

    def hash(self) -> bytes:
        """What the database holds. A plain hash is enough: the secret has 192 random bits."""
        return hashlib.sha256(self.secret).digest()
