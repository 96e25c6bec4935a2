"""Versions, chunk lists, and the way to the bytes: which never come through here."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web
from multidict import CIMultiDict

from appliance.domain.tickets import cookie_hash
from appliance.gateway import headers
from appliance.gateway.call import Call, Reply
from appliance.gateway.queries import ChunksQuery, ContentQuery, NoQuery, Page
from appliance.services.written import Written
from appliance.wire.nodes import (
    Bind,
    Chunks,
    Mismatch,
    Node,
    RestoreVersion,
    Ticket,
    TicketRequest,
    Tickets,
    Versions,
)

__all__ = ["chunks", "content", "mismatch", "restore_version", "tickets", "versions"]


async def versions(call: Call[Page, None]) -> Versions:
    query = call.query
    return await call.services.files.versions(
        call.caller, call.path("node"), query.after, query.limit, call.min_seq
    )


async def restore_version(call: Call[NoQuery, RestoreVersion]) -> Written[Node]:
    return await call.services.moves.restore_version(
        call.caller, call.path("node"), call.path("version"), call.body, call.idempotency_key
    )


async def chunks(call: Call[ChunksQuery, None]) -> Chunks:
    return await call.services.files.chunks(
        call.caller, call.path("node"), call.query.version, call.min_seq
    )


async def content(call: Call[ContentQuery, None]) -> Ticket | Reply:
    """A redirect to the ticket's URL, or the ticket as JSON for who asks for JSON."""
    node, query = call.path("node"), call.query
    asked = {"version": query.version, "disposition": query.disposition, "bind": query.bind}
    back = f"/api/v1/nodes/{node}/content?" + urlencode({k: v for k, v in asked.items() if v})
    ticket = await call.services.downloads.ticket(
        call.caller,
        node,
        query.version,
        query.disposition,
        back,
        *_conditions(call.request, query.bind),
        min_seq=call.min_seq,
    )
    if headers.wants_json(call.request.headers):
        return ticket
    fresh = CIMultiDict({"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    if ticket.url is None:
        return Reply(200, fresh)
    fresh["Location"] = ticket.url
    return Reply(302, fresh)


async def tickets(call: Call[NoQuery, TicketRequest]) -> Tickets:
    return await call.services.downloads.tickets(
        call.caller, call.body, call.min_seq, *_conditions(call.request, call.body.bind)
    )


def _conditions(request: web.Request, bind: Bind | None) -> tuple[str | None, str | None]:
    """The address and the cookie's hash of a ticket."""
    if bind == "address":
        return headers.client_address(request.headers, request.remote), None
    if bind == "cookie":
        return None, cookie_hash(headers.bind_cookie(request.headers))
    return None, None


async def mismatch(call: Call[NoQuery, Mismatch]) -> None:
    await call.services.downloads.mismatch(call.caller, call.path("node"), call.body)
