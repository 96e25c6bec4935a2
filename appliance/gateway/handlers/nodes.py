"""Files, folders and links: look, change, throw away, bring back."""

from __future__ import annotations

from appliance.gateway import headers
from appliance.gateway.call import Call, Encoded
from appliance.gateway.queries import DeleteQuery, NoQuery, Page
from appliance.services.written import Written
from appliance.wire.nodes import Copy, Move, Node, Nodes, Restore, TrashPage

__all__ = ["children", "copy", "delete", "empty_trash", "move", "node", "restore", "trash"]


async def node(call: Call[NoQuery, None]) -> Encoded:
    token = headers.bearer(call.request.headers)
    return Encoded(await call.services.stat.node(token, call.path("node"), call.min_seq))


async def children(call: Call[Page, None]) -> Nodes:
    query = call.query
    return await call.services.files.children(
        call.caller, call.path("node"), query.after, query.limit, call.min_seq
    )


async def move(call: Call[NoQuery, Move]) -> Written[Node]:
    return await call.services.moves.move(call.caller, call.path("node"), call.body)


async def copy(call: Call[NoQuery, Copy]) -> Written[Node]:
    return await call.services.moves.copy(
        call.caller, call.path("node"), call.body, call.idempotency_key
    )


async def delete(call: Call[DeleteQuery, None]) -> Written[Node] | Written[None]:
    trash, name = call.services.trash, call.path("node")
    if call.query.permanent:
        return await trash.purge(call.caller, name, call.query.rev)
    return await trash.trash(call.caller, name, call.query.rev)


async def restore(call: Call[NoQuery, Restore]) -> Written[Node]:
    return await call.services.trash.restore(
        call.caller, call.path("node"), call.body, call.idempotency_key
    )


async def trash(call: Call[Page, None]) -> TrashPage:
    query = call.query
    return await call.services.trash.page(
        call.caller, call.path("space"), query.after, query.limit, call.min_seq
    )


async def empty_trash(call: Call[NoQuery, None]) -> Written[None]:
    return await call.services.trash.empty(call.caller, call.path("space"))
