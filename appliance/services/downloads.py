"""Tickets: who may fetch which object, for how long, under which conditions.

No byte passes here. A ticket is signed over the object's key as it is now; keys are immutable, so
a version that is replaced meanwhile is still fetched whole.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol
from urllib.parse import quote

from appliance.cache.metadata import MetadataCache
from appliance.domain import chunking, ids
from appliance.domain import tickets as domain
from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.domain.errors import (
    BadRequest,
    BlobQuarantined,
    InvalidBody,
    NotFound,
    Problem,
    VersionGone,
)
from appliance.domain.tree import Place, place_of
from appliance.settings import Limits
from appliance.store import blobs, nodes, spaces
from appliance.store.blobs import ContentRow
from appliance.store.pools import Connection, Stores
from appliance.wire.nodes import Chunk, Mismatch, Ticket, TicketOutcome, TicketRequest, Tickets

from .node_answers import shown_name
from .reading import View, reading

__all__ = ["Disposition", "Downloads", "Signer"]

Disposition = Literal["inline", "attachment"]
_SMALL_CHUNKS = 16
_CHUNK_BYTES = 40  # in a packed list
_OCTETS = "application/octet-stream"
_TYPES = mimetypes.MimeTypes()  # not the machine's own table: an answer is the same everywhere


class Signer(Protocol):
    def sign(self, ticket: domain.Ticket, now: float) -> str: ...


@dataclass(frozen=True, slots=True)
class _Target:
    place: int
    space_id: int
    node_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class _Terms:
    """What all tickets of one request share."""

    disposition: Disposition
    client_ip: str | None = None
    cookie_hash: str | None = None
    back: str | None = None

    def way_back(self, node: str, version: str) -> str:
        """The stable URL's path, which asks for the same condition again."""
        if self.back is not None:
            return self.back
        bind = "&bind=address" if self.client_ip else "&bind=cookie" if self.cookie_hash else ""
        return f"/api/v1/nodes/{node}/content?version={version}{bind}"


class Downloads:
    def __init__(
        self,
        *,
        stores: Stores,
        clock: Clock,
        limits: Limits,
        signer: Signer,
        download_url: str,
        bucket: str,
        cache: MetadataCache | None = None,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._limits = limits
        self._signer = signer
        self._download_url = download_url.rstrip("/")
        self._bucket = bucket
        self._cache = cache

    async def ticket(
        self,
        caller: Caller,
        node: str,
        version: str | None,
        disposition: Disposition,
        back: str,
        client_ip: str | None = None,
        cookie_hash: str | None = None,
        min_seq: int | None = None,
    ) -> Ticket:
        """`back` is the stable URL's path, shown by the edge when only the expiry has failed."""
        target = _target(0, node, version)
        found = await self._find(caller, target.space_id, [target], min_seq, 0)
        terms = _Terms(disposition, client_ip, cookie_hash, back)
        return self._made(target, found.get(0), terms, self._clock.now())

    async def tickets(
        self,
        caller: Caller,
        request: TicketRequest,
        min_seq: int | None = None,
        client_ip: str | None = None,
        cookie_hash: str | None = None,
    ) -> Tickets:
        """One outcome for each target, in their order; one query for each space among them."""
        terms = _Terms("attachment", client_ip, cookie_hash)
        outcomes: dict[int, TicketOutcome] = {}
        spaces: dict[int, list[_Target]] = {}
        for place, asked in enumerate(request.targets):
            try:
                target = _target(place, asked.node, asked.version)
                spaces.setdefault(target.space_id, []).append(target)
            except Problem as problem:
                outcomes[place] = _failed(problem)
        chunk_bytes = _SMALL_CHUNKS * _CHUNK_BYTES if request.chunks else 0
        for space_id, targets in spaces.items():
            try:
                found = await self._find(caller, space_id, targets, min_seq, chunk_bytes)
            except NotFound as problem:
                outcomes |= {target.place: _failed(problem) for target in targets}
                continue
            outcomes |= await asyncio.to_thread(self._all_made, targets, found, terms)
        return Tickets(items=[outcomes[place] for place in range(len(request.targets))])

    async def mismatch(self, caller: Caller, node: str, request: Mismatch) -> None:
        """Stops handing out the blob until a scrub has read it; a false report costs only that.

        It is no change of the space, so its seq stays. Under the space's lock all that was read
        at this seq may be from before, and whoever reads a later one sees the quarantine: the
        nodes' cached answers are dropped as of the next seq.
        """
        target = _target(0, node, request.version)
        found = await self._find(
            caller, target.space_id, [target], None, chunking.MAX_CHUNKS * _CHUNK_BYTES
        )
        row = _version(found.get(0))
        if row.blob_id is None or row.chunk_list is None:
            raise InvalidBody("The empty file has no chunks.")
        if request.index >= len(row.chunk_list) // _CHUNK_BYTES:
            raise InvalidBody("The version has no such chunk.")
        blob_id = row.blob_id

        async def work(conn: Connection) -> tuple[list[int], int]:
            space = await (await spaces.lock(conn, target.space_id)).fetchone()
            if space is None or not await blobs.quarantine(conn, target.space_id, blob_id):
                return [], 0
            return await blobs.nodes_showing(conn, target.space_id, blob_id), space.seq

        shown, seq = await self._stores.run(target.space_id, work)
        if self._cache is not None:
            await self._cache.drop_nodes(target.space_id, shown, seq + 1)

    async def _find(
        self,
        caller: Caller,
        space_id: int,
        targets: Sequence[_Target],
        min_seq: int | None,
        chunk_bytes: int,
    ) -> dict[int, ContentRow]:
        """By place; what doesn't exist, or is being deleted for good, is left out."""
        wanted = [(target.place, target.node_id, target.version_id) for target in targets]
        node_ids = sorted({target.node_id for target in targets})

        async def work(conn: Connection, view: View) -> dict[int, ContentRow]:
            rows = await blobs.content_of_nodes(conn, space_id, wanted, chunk_bytes)
            way = await nodes.ancestors(conn, space_id, node_ids)
            await view.head()
            parents = {edge.node_id: edge.parent_id for edge in await way.fetchall()}
            return {
                row.place: row
                for row in await rows.fetchall()
                if place_of(row.node_id, parents) is not Place.GONE
            }

        return await reading(self._stores, caller, space_id, min_seq, work)

    def _all_made(
        self, targets: Sequence[_Target], found: dict[int, ContentRow], terms: _Terms
    ) -> dict[int, TicketOutcome]:
        now = self._clock.now()
        return {t.place: self._outcome(t, found.get(t.place), terms, now) for t in targets}

    def _outcome(
        self, target: _Target, row: ContentRow | None, terms: _Terms, now: datetime
    ) -> TicketOutcome:
        try:
            ticket = self._made(target, row, terms, now)
        except Problem as problem:
            return _failed(problem)
        chunks = None if row is None or row.chunk_list is None else _chunks(row.chunk_list)
        return TicketOutcome(ticket=ticket, chunks=chunks, code=None, detail=None)

    def _made(
        self, target: _Target, found: ContentRow | None, terms: _Terms, now: datetime
    ) -> Ticket:
        row = _version(found)
        assert row.version_id is not None
        assert row.size is not None
        issued = int(now.timestamp())
        expires = issued + self._limits.ticket_seconds
        version = ids.encode("v", target.space_id, row.version_id)
        sha256 = None if row.sha256 is None else row.sha256.hex()
        url = None
        if row.blob_id is not None:
            url = self._url(row, self._claims(target, row, terms, version, issued, expires), now)
        return Ticket(
            url=url,
            expires_at=datetime.fromtimestamp(expires, UTC),
            size=row.size,
            sha256=sha256,
            version=version,
            etag=sha256 or (row.fingerprint.hex() if row.fingerprint is not None else version),
        )

    def _claims(
        self,
        target: _Target,
        row: ContentRow,
        terms: _Terms,
        version: str,
        issued: int,
        expires: int,
    ) -> domain.Ticket:
        name = shown_name(row.parent_id, row.name)
        node = ids.encode("n", target.space_id, row.node_id)
        sliced = None
        if row.object_offset:
            assert row.stored_size is not None
            sliced = (row.object_offset, row.stored_size)
        return domain.Ticket(
            obj=f"/{self._bucket}/{row.object_key}",
            exp=expires,
            iat=issued,
            ep=row.share_epoch,
            fn=name,
            ct=_TYPES.guess_type(name, strict=True)[0] or _OCTETS,
            dp=terms.disposition,
            back=terms.way_back(node, version),
            rng=sliced,
            ip=terms.client_ip,
            ck=terms.cookie_hash,
        )

    def _url(self, row: ContentRow, claims: domain.Ticket, now: datetime) -> str:
        if row.state == "quarantined":
            raise BlobQuarantined("The stored bytes of this version failed a check.")
        if row.state != "live":
            raise VersionGone("The bytes of this version are no longer kept.")
        token = self._signer.sign(claims, now.timestamp())
        return f"{self._download_url}/o?t={quote(token, safe='.-_')}"


def _target(place: int, node: str, version: str | None) -> _Target:
    space_id, node_id = ids.decode("n", node)
    version_id = None
    if version is not None:
        of_space, version_id = ids.decode("v", version)
        if of_space != space_id:
            raise NotFound("There is nothing with this id.")
    return _Target(place, space_id, node_id, version_id)


def _version(row: ContentRow | None) -> ContentRow:
    if row is None:
        raise NotFound("There is nothing with this id.")
    if row.kind != "file":
        raise BadRequest(f"A {row.kind} has no content.")
    if row.version_id is None:
        raise NotFound("The file has no such version.")
    return row


def _chunks(packed: bytes) -> list[Chunk]:
    found: list[Chunk] = []
    offset = 0
    for index, chunk in enumerate(chunking.unpack(packed)):
        found.append(
            Chunk(
                index=index,
                offset=offset,
                length=chunk.length,
                sha256=chunk.sha256.hex(),
                status="uploaded",
            )
        )
        offset += chunk.length
    return found


def _failed(problem: Problem) -> TicketOutcome:
    return TicketOutcome(ticket=None, chunks=None, code=problem.code, detail=problem.detail)
