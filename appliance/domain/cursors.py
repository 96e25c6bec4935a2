"""Where a reader of a space's journal stands: the last seq it saw and that row's random mark.

The mark tells histories apart. After a restore or a lost fail-over the same seq may belong to
another change; a reader that went on as if nothing had happened would delete or miss files. So:

    ok      the row at seq has this mark (or nothing was read yet): go on from here
    fork    the row has another mark: history was rewritten; the client unites, never deletes
    ahead   there is no such row: history is shorter than what the client saw; unite as well
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from enum import StrEnum

from appliance.domain.errors import InvalidCursor
from appliance.domain.ids import MAX_ID

__all__ = ["Cursor", "Verdict", "decode", "encode", "start", "verdict"]

_FORMAT = 1
_SIZE = 1 + 3 * 8


class Verdict(StrEnum):
    OK = "ok"
    FORK = "fork"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Cursor:
    space_id: int
    seq: int  # 0: nothing read yet
    mark: int  # 0..2**63-1, random per journal row; 0 when seq is 0


def start(space_id: int) -> Cursor:
    """Before the first change."""
    return Cursor(space_id, 0, 0)


def encode(cursor: Cursor) -> str:
    raw = bytes([_FORMAT]) + b"".join(
        number.to_bytes(8, "big") for number in (cursor.space_id, cursor.seq, cursor.mark)
    )
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> Cursor:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError):
        raw = b""
    if len(raw) == _SIZE and raw[0] == _FORMAT:
        space_id, seq, mark = (int.from_bytes(raw[at : at + 8], "big") for at in (1, 9, 17))
        cursor = Cursor(space_id, seq, mark)
        if 0 < space_id <= MAX_ID and max(seq, mark) <= MAX_ID and encode(cursor) == text:
            return cursor
    raise InvalidCursor("This isn't a cursor that the server gave out; start without one.")


def verdict(cursor: Cursor, mark_at_seq: int | None) -> Verdict:
    """`mark_at_seq`: the mark of the journal row at the cursor's seq, None when there is none.

    Read it from the primary before answering `ahead`: a replica may only be late.
    """
    if cursor.seq == 0:
        return Verdict.OK
    if mark_at_seq is None:
        return Verdict.AHEAD
    return Verdict.OK if mark_at_seq == cursor.mark else Verdict.FORK
