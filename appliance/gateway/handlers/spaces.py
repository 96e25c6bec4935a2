"""Reads of a space as a whole: its figures, names in it, its journal."""

from __future__ import annotations

from appliance.gateway import headers
from appliance.gateway.call import Call
from appliance.gateway.queries import ChangesQuery, FindQuery, NoQuery, ResolveQuery
from appliance.wire.changes import Changes
from appliance.wire.nodes import Listing, Node, Nodes, Space

__all__ = ["changes", "find", "listing", "resolve", "space"]


async def space(call: Call[NoQuery, None]) -> Space:
    return await call.services.files.space(call.caller, call.path("space"), call.min_seq)


async def resolve(call: Call[ResolveQuery, None]) -> Node:
    return await call.services.files.resolve(
        call.caller, call.path("space"), call.query.path, call.min_seq
    )


async def find(call: Call[FindQuery, None]) -> Nodes:
    query = call.query
    return await call.services.files.find(
        call.caller, call.path("space"), query.q, query.after, query.limit, call.min_seq
    )


async def listing(call: Call[NoQuery, Listing]) -> Nodes:
    return await call.services.files.listing(
        call.caller, call.path("space"), call.body, call.min_seq
    )


async def changes(call: Call[ChangesQuery, None]) -> Changes:
    query, feed = call.query, call.services.changes
    wait = min(query.wait, call.settings.limits.long_poll_seconds)

    async def page(wait: float) -> Changes:
        return await feed.page(call.caller, call.path("space"), query.cursor, wait, query.limit)

    if not wait:
        return await page(0)
    found = await call.stopping.unless(lambda: page(wait), lambda: page(0))
    # The token may have been revoked, or the account suspended, while the request was held.
    await call.services.accounts.authenticate(headers.bearer(call.request.headers))
    return found
