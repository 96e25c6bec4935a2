"""stowbay cat"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import BinaryIO

import click

from appliance.cli.session import Session, run
from appliance.client.errors import ChunkMismatch, Unreachable
from appliance.client.transfer.commit import problem_of
from appliance.client.transfer.get_bytes import BadChunk, TicketExpired, fetch
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.pace import Pace
from appliance.client.transfer.prepare_put import absolute
from appliance.domain.errors import BadRequest
from appliance.wire.nodes import Chunk, Node, Ticket, TicketTarget

__all__ = ["command", "parse_range"]

_TRIES = 3
_AHEAD = 4


def parse_range(text: str, size: int) -> tuple[int, int]:
    """(first, end) of "a-b", "a-" or "-n", as in HTTP: both ends included, n the last bytes.

    Cut to the size. Raises click.BadParameter.
    """
    found = re.fullmatch(r"([0-9]*)-([0-9]*)", text.strip())
    if found is None or not (found[1] or found[2]):
        raise click.BadParameter("write A-B, A- or -N, in bytes, both ends included")
    if not found[1]:
        return max(size - int(found[2]), 0), size
    first = int(found[1])
    end = int(found[2]) + 1 if found[2] else size
    if end <= first and found[2]:
        raise click.BadParameter("the range ends before it begins")
    return min(first, size), min(end, size)


@click.command("cat")
@click.argument("path", metavar="/PATH")
@click.option("--range", "range_", metavar="A-B", help="Bytes A to B, both included; A- or -N.")
@click.option("--version", metavar="ID", help="An older version, by its id.")
def command(path: str, range_: str | None, version: str | None) -> None:
    """Write a file to standard output. Each chunk is checked before any of it is written."""
    place = absolute(path)

    async def work(session: Session) -> None:
        node = await session.tree.resolve(place)
        if node.kind != "file":
            raise BadRequest(f"{place} is a {node.kind}.")
        async with Lanes(session.tls, Pace()) as lanes:
            reader = _Reader(session, lanes, node, version or node.version, place)
            await reader.write(sys.stdout.buffer, range_)

    run(work)
    sys.stdout.buffer.flush()


class _Reader:
    """Chunk after chunk, the next one fetched while one is written."""

    def __init__(
        self, session: Session, lanes: Lanes, node: Node, version: str | None, path: str
    ) -> None:
        self._session = session
        self._lanes = lanes
        self._target = TicketTarget(node=node.id, version=version)
        self._path = path

    async def write(self, out: BinaryIO, range_: str | None) -> None:
        ticket, chunks = await self._ticket()
        first, end = parse_range(range_, ticket.size) if range_ else (0, ticket.size)
        wanted = [c for c in chunks if c.offset < end and c.offset + c.length > first]
        coming: list[asyncio.Task[bytearray]] = []
        try:
            for number, chunk in enumerate(wanted):
                for ahead in wanted[number + len(coming) : number + _AHEAD]:
                    coming.append(asyncio.create_task(self._fetch(ticket, ahead)))
                data = await coming.pop(0)
                low = max(first - chunk.offset, 0)
                out.write(memoryview(data)[low : end - chunk.offset])
        finally:
            for task in coming:
                task.cancel()

    async def _ticket(self) -> tuple[Ticket, Sequence[Chunk]]:
        [answer] = (await self._session.blobs.tickets([self._target])).items
        ticket = answer.ticket
        if ticket is None:
            raise problem_of(answer.code, answer.detail, self._path)
        if ticket.url is None:
            return ticket, ()
        if answer.chunks is not None:
            return ticket, answer.chunks
        found = await self._session.blobs.chunks(self._target.node, ticket.version)
        return ticket, found.items

    async def _fetch(self, ticket: Ticket, chunk: Chunk) -> bytearray:
        data = bytearray(chunk.length)
        room = memoryview(data)

        def keep(piece: memoryview, at: int) -> None:
            start = at - chunk.offset
            room[start : start + len(piece)] = piece

        for _ in range(_TRIES):
            assert ticket.url is not None
            lasting = self._session.endurance
            work = partial(fetch, self._lanes, ticket.url, [chunk], ticket.size, keep, lasting)
            try:
                await self._lanes.run(work)
            except TicketExpired:
                ticket, _ = await self._ticket()
            except BadChunk as bad:
                await self._session.blobs.mismatch(self._target.node, ticket.version, bad.index)
                raise ChunkMismatch(
                    f"{self._path}: chunk {bad.index} arrived twice with other bytes than were "
                    "stored. It was reported; the server will check the stored copy."
                ) from None
            else:
                return data
        raise Unreachable(f"{self._path}: its download address was refused three times.")
