"""Where a page ended: opaque to clients, checked when it comes back.

A mark holds the sort key of the page's last row, so that the next page begins right after it
whatever was added or deleted meanwhile. It isn't signed: one that a client has made up may begin a
page anywhere, so what the database can't hold (a NUL, a number beyond 63 bits) is refused here.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from appliance.domain.errors import InvalidCursor

__all__ = ["read", "write"]

T = TypeVar("T")


def write(key: Any) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(key)).rstrip(b"=").decode("ascii")


def read(mark: str, key: type[T]) -> T:
    """Raises InvalidCursor for anything that isn't a mark of this kind."""
    try:
        raw = urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
        found = msgspec.msgpack.decode(raw, type=key)
        if not _storable(found):
            raise ValueError
        return found
    except (Base64Error, ValueError, msgspec.MsgspecError):
        raise InvalidCursor("This isn't a page mark that the server gave out.") from None


def _storable(part: Any) -> bool:
    if isinstance(part, int):
        return 0 <= part < 1 << 63
    if isinstance(part, str):
        return "\0" not in part
    if isinstance(part, tuple):
        return all(map(_storable, part))
    return isinstance(part, datetime) and part.tzinfo is not None
