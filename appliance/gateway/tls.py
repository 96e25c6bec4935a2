"""The gateway's listener on a network of hosts: TLS, for callers with one certificate only.

A certificate of our authority alone isn't enough, as each part of each host has one: the caller's
common name must be the edge's. What the edge says of the client (its address, for the limits of
sign-ins) can be believed only because nobody else gets through.
"""

from __future__ import annotations

import ssl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from appliance.domain.errors import Forbidden
from appliance.settings import GatewayTls

__all__ = ["make_context", "only_from", "renew"]


def make_context(tls: GatewayTls) -> ssl.SSLContext:
    """Raises OSError (a file is missing) or ssl.SSLError (it isn't what it should be)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def renew(context: ssl.SSLContext, tls: GatewayTls) -> None:
    """For the connections from now on; tried aside first, as half a change would end all new ones.

    An authority is only added: one that must not be trusted any more takes a restart.
    """
    make_context(tls)
    context.load_verify_locations(tls.ca)
    context.load_cert_chain(tls.certificate, tls.key)


def only_from(name: str) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if name not in _common_names(request):
            raise Forbidden("This address is for the edge only.")
        return await handler(request)

    return middleware


def _common_names(request: web.Request) -> list[str]:
    shown = request.get_extra_info("peercert") or {}
    return [
        value for part in shown.get("subject", ()) for field, value in part if field == "commonName"
    ]
