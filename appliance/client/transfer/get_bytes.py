"""GETs of tickets, whole or by ranges, tried until they are in or can't be: inside a lane.

Each chunk is fingerprinted as it arrives. A chunk that is other bytes than it should be is
fetched once more before anybody is told: a fault on the way isn't one of the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from appliance.client.backoff import Endurance
from appliance.client.errors import Unreachable
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.pipe import Broken, Reply, split
from appliance.domain.errors import Problem, StoreUnavailable
from appliance.wire.nodes import Chunk

__all__ = ["BadChunk", "TicketExpired", "fetch", "whole"]

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_EXPIRED = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 410})
"""404 too: the server knows why, and answers with it when asked for another ticket."""

Writer = Callable[[memoryview, int], None]


class TicketExpired(Exception):
    """Another ticket is needed, or the refusal of one."""


@dataclass(frozen=True, slots=True)
class BadChunk(Exception):
    index: int


def whole(lanes: Lanes, url: str, chunk: Chunk, endurance: Endurance) -> bytearray:
    """A file of one chunk, in memory."""
    data = bytearray(chunk.length)
    room = memoryview(data)

    def write(piece: memoryview, at: int) -> None:
        room[at : at + len(piece)] = piece

    fetch(lanes, url, [chunk], chunk.length, write, endurance)
    return data


def fetch(
    lanes: Lanes,
    url: str,
    chunks: Sequence[Chunk],
    size: int,
    write: Writer,
    endurance: Endurance,
) -> None:
    """Neighbouring chunks of a file of `size` bytes. Raises TicketExpired, BadChunk, or a
    Problem (`write`'s too); chunks before the failed one are written and right."""
    try:
        address, target = split(url)
    except Broken as error:
        raise Unreachable(str(error)) from error
    attempt, waited, seconds_try = 1, 0.0, -1
    left = list(chunks)
    while left:
        intake = _Intake(left, write, lanes)
        first, last = left[0].offset, left[-1].offset + left[-1].length - 1
        complete = first == 0 and last == size - 1
        headers = {} if complete else {"Range": f"bytes={first}-{last}"}
        failure: Problem
        after = None
        try:
            lanes.requested()
            reply = lanes.pipe(address).get(
                target, headers, partial(_accept, first, last, size), intake.take
            )
        except Broken as error:
            failure = Unreachable(f"The download address {address.host}:{address.port}: {error}.")
        except BadChunk as bad:
            if bad.index == seconds_try:
                raise
            seconds_try = bad.index
            left = [chunk for chunk in left if chunk.index >= bad.index]
            continue
        else:
            failure = _refusal(reply, complete)
            after = reply.headers.get("retry-after")
        left = left[intake.done :]
        lanes.moved(-intake.unproven)
        if not left:
            break
        if intake.done:
            attempt, waited = 1, 0.0
        delay = endurance.wait(attempt, waited, float(after) if after and after.isdigit() else None)
        if delay is None:
            raise failure
        lanes.pause(delay)
        attempt, waited = attempt + 1, waited + delay
    endurance.succeeded()


class _Intake:
    """Takes the body of one answer, chunk by chunk."""

    def __init__(self, chunks: Sequence[Chunk], write: Writer, lanes: Lanes) -> None:
        self._chunks = chunks
        self._write = write
        self._lanes = lanes
        self._digest = hashlib.sha256()
        self.done = 0  # chunks that are complete and right
        self.unproven = 0  # bytes of the chunk that is arriving

    def take(self, piece: memoryview) -> None:
        while piece and self.done < len(self._chunks):
            chunk = self._chunks[self.done]
            mine = piece[: chunk.length - self.unproven]
            self._write(mine, chunk.offset + self.unproven)
            self._digest.update(mine)
            self.unproven += len(mine)
            self._lanes.moved(len(mine))
            piece = piece[len(mine) :]
            if self.unproven == chunk.length:
                self._prove(chunk)
        if piece:
            raise Broken("more bytes came than were asked for")

    def _prove(self, chunk: Chunk) -> None:
        if self._digest.hexdigest() != chunk.sha256:
            self._lanes.moved(-chunk.length)
            raise BadChunk(chunk.index)
        self.done += 1
        self.unproven = 0
        self._digest = hashlib.sha256()


def _accept(first: int, last: int, size: int, status: int, headers: Mapping[str, str]) -> bool:
    """A server that ignores the range must not look like one that stores other bytes."""
    if status == 200:
        return first == 0 and last == size - 1
    return status == 206 and headers.get("content-range", "") == f"bytes {first}-{last}/{size}"


def _refusal(reply: Reply, complete: bool) -> Problem:
    """Of an answer that didn't bring all. A short body with the right status counts as one."""
    if reply.status in _EXPIRED:
        raise TicketExpired
    if reply.status == 206 or (reply.status == 200 and complete):
        return Unreachable("The download ended too early.")
    if reply.status in _AGAIN:
        return StoreUnavailable(f"The download address answered {reply.status}.")
    raise Problem(f"The download address answered {reply.status}.")
