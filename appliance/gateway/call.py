"""What a handler is given and what it may give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web
from multidict import CIMultiDict

from appliance.domain.access import Caller
from appliance.gateway import headers
from appliance.gateway.stopping import Stopping
from appliance.settings import Settings
from appliance.wiring import AppServices

__all__ = ["Call", "Encoded", "Reply"]

Q = TypeVar("Q")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, parsed. `query` and `body` are of the route's types (None: it has none)."""

    request: web.Request
    services: AppServices
    settings: Settings
    stopping: Stopping
    query: Q
    body: B
    identified: Caller | None

    @property
    def caller(self) -> Caller:
        assert self.identified is not None, "a route without auth has no caller"
        return self.identified

    def path(self, name: str) -> str:
        return self.request.match_info[name]

    @property
    def min_seq(self) -> int | None:
        return headers.min_seq(self.request.headers)

    @property
    def idempotency_key(self) -> str | None:
        return headers.idempotency_key(self.request.headers)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer that is JSON already."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that isn't the route's usual one."""

    status: int
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
