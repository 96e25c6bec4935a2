"""The application: the route table, the middlewares, health and the OpenAPI document."""

from __future__ import annotations

import msgspec
from aiohttp import web

from appliance.gateway.endpoint import Context, endpoint
from appliance.gateway.health import add_health
from appliance.gateway.middlewares import answered, observed
from appliance.gateway.openapi import document
from appliance.gateway.route import PREFIX
from appliance.gateway.routes import ROUTES
from appliance.gateway.tls import only_from
from appliance.telemetry.metrics import Meters

__all__ = ["make_app"]


def make_app(context: Context, meters: Meters) -> web.Application:
    tls = context.settings.gateway_tls
    app = web.Application(
        middlewares=[
            observed(meters), answered(meters), *([only_from(tls.client)] if tls else []),
        ],
        client_max_size=context.settings.limits.body_bytes,
    )  # fmt: skip
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, endpoint(route, context))
    described = msgspec.json.encode(document(ROUTES, context.settings.api_url.rstrip("/")))

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, headers={"Content-Type": "application/json"})

    app.router.add_get(PREFIX + "/openapi.json", openapi)
    add_health(app, context.services, context.stopping)
    return app
