"""From a row of the route table to an aiohttp handler: what all routes have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from appliance.domain.errors import Unavailable
from appliance.gateway import headers
from appliance.gateway.bodies import read_body, read_query
from appliance.gateway.call import Call, Encoded, Reply
from appliance.gateway.route import Route
from appliance.gateway.stopping import Stopping
from appliance.services.written import Written
from appliance.settings import Settings
from appliance.wiring import AppServices

__all__ = ["Context", "endpoint"]

_encode = msgspec.json.Encoder().encode
_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Context:
    """What lives as long as the process."""

    services: AppServices
    settings: Settings
    stopping: Stopping


def endpoint(route: Route, context: Context) -> Callable[[web.Request], Awaitable[web.Response]]:
    services, settings, stopping = context.services, context.settings, context.stopping
    decoder = None if route.request is None else msgspec.json.Decoder(route.request)
    limit = settings.limits.body_bytes
    no_query = route.query() if not route.query.__struct_fields__ else None

    polls = "wait" in route.query.__struct_fields__
    bound = settings.limits.request_seconds + (settings.limits.long_poll_seconds if polls else 0)

    async def serve(request: web.Request) -> web.Response:
        """Within a bound, also when a part hangs: what was begun is finished by a repeated call."""
        try:
            async with asyncio.timeout(bound):
                return await answer(request)
        except TimeoutError as error:
            raise Unavailable("This took too long; try again.", retry_after=5) from error

    async def answer(request: web.Request) -> web.Response:
        caller = None
        if route.auth and not route.identifies:
            caller = await services.accounts.authenticate(headers.bearer(request.headers))
        query = no_query if no_query is not None else read_query(request.query, route.query)
        body = None if decoder is None else await _body(request, decoder, limit)
        call = Call(request, services, settings, stopping, query, body, caller)
        return _response(route, await route.handler(call))

    return serve


async def _body(
    request: web.Request, decoder: msgspec.json.Decoder[msgspec.Struct], limit: int
) -> msgspec.Struct:
    return await read_body(request, decoder, limit)


def _response(route: Route, answer: object) -> web.Response:
    if isinstance(answer, Encoded):
        return web.Response(status=route.status, body=answer.body, headers=_JSON)
    if isinstance(answer, Reply):
        return web.Response(status=answer.status, headers=answer.headers)
    told = CIMultiDict(_JSON)
    if isinstance(answer, Written):
        told[headers.SEQ] = str(answer.seq)
        answer = answer.answer
    if answer is None:
        del told["Content-Type"]
        return web.Response(status=204 if route.answer else route.status, headers=told)
    return web.Response(status=route.status, body=_encode(answer), headers=told)
