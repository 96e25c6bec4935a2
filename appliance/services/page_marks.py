"""Where a page ended: opaque to clients, checked when it comes back.

A mark holds the sort key of the page's last row, so that the next page begins right after it
whatever was added or deleted meanwhile.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
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
        return msgspec.msgpack.decode(raw, type=key)
    except (Base64Error, ValueError, msgspec.MsgspecError):
        raise InvalidCursor("This isn't a page mark that the server gave out.") from None
