"""One signed PUT, tried until it is in or it can't be: runs inside a lane.

The URL signs length and SHA-256, so the store itself refuses other bytes; sending it again writes
the same ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.client.backoff import Endurance
from appliance.client.errors import FileChanged, Unreachable, from_os, printable
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.pipe import Broken, Reply, split
from appliance.domain.errors import PartMismatch, Problem, StoreFull, StoreUnavailable
from appliance.wire.uploads import PartUrl

__all__ = ["Bytes", "Slice", "UrlExpired", "put"]

_PIECE = 256 << 10
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class UrlExpired(Exception):
    """A fresh URL is needed; nothing is wrong with the bytes."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A small file, sent from memory: exactly what was fingerprinted."""

    name: str
    data: bytes

    def pieces(self) -> Iterator[memoryview | bytes]:
        yield self.data

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an open file, read when it is sent: memory doesn't grow with the file."""

    name: str
    handle: int
    offset: int
    length: int

    def pieces(self) -> Iterator[memoryview | bytes]:
        room = memoryview(bytearray(min(_PIECE, self.length)))
        at, end = self.offset, self.offset + self.length
        while at < end:
            try:
                count = os.preadv(self.handle, [room[: min(len(room), end - at)]], at)
            except OSError as error:
                raise from_os(error, self.name) from error
            if not count:
                raise FileChanged(f"{printable(self.name)} became shorter while it was sent.")
            yield room[:count]
            at += count

    def __len__(self) -> int:
        return self.length


def put(lanes: Lanes, url: PartUrl, content: Bytes | Slice, endurance: Endurance) -> str:
    """The ETag. Raises UrlExpired, or a Problem once patience has run out."""
    try:
        address, target = split(url.url)
    except Broken as error:
        raise Unreachable(str(error)) from error
    attempt, waited, sent = 1, 0.0, 0

    def source() -> Iterator[memoryview | bytes]:
        nonlocal sent
        lanes.moved(-sent)
        sent = 0
        for piece in content.pieces():
            yield piece
            sent += len(piece)
            lanes.moved(len(piece))

    while True:
        failure: Problem
        after = None
        try:
            lanes.requested()
            reply = lanes.pipe(address).put(target, url.headers, len(content), source)
        except Broken as error:
            failure = Unreachable(f"The upload address {address.host}:{address.port}: {error}.")
        else:
            if 200 <= reply.status < 300:
                endurance.succeeded()
                return reply.headers.get("etag", "").strip('"')
            if reply.status == 412:
                return ""  # this key already holds these bytes: an earlier try arrived
            failure = _refusal(reply, content.name)
            after = reply.headers.get("retry-after")
            if reply.status not in _AGAIN:
                raise failure
        delay = endurance.wait(attempt, waited, float(after) if after and after.isdigit() else None)
        if delay is None:
            raise failure
        lanes.pause(delay)
        attempt, waited = attempt + 1, waited + delay


def _refusal(reply: Reply, name: str) -> Problem:
    found = re.search(rb"<Code>([A-Za-z]{1,60})</Code>", reply.body)
    code = found[1].decode() if found else str(reply.status)
    if reply.status == 403 and (b"xpired" in reply.body or not found):
        raise UrlExpired
    if reply.status == 507 or code in ("XMinioStorageFull", "StorageFull"):
        return StoreFull(f"{printable(name)}: the store has no room left.")
    if reply.status in _AGAIN:
        return StoreUnavailable(f"{printable(name)}: the store answered {code}.")
    return PartMismatch(f"{printable(name)}: the store refused the bytes ({code}).")
