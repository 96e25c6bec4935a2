"""One row of the route table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from appliance.gateway.call import Call
from appliance.gateway.queries import NoQuery

__all__ = ["PREFIX", "Handler", "Route"]

PREFIX = "/api/v1"

Handler = Callable[[Call[Any, Any]], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str  # below PREFIX, with {names}
    handler: Handler
    tag: str
    summary: str
    answer: type[msgspec.Struct] | None
    status: int = 200
    request: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] = NoQuery
    errors: tuple[str, ...] = ()  # codes beyond those that follow from the other fields
    auth: bool = True
    identifies: bool = False  # the handler asks who is calling, together with something else
    idempotent: bool = False  # takes an Idempotency-Key
    reads: bool = False  # takes the Stowbay-Seq that the caller has seen
    writes: bool = False  # answers with the space's Stowbay-Seq
    others: tuple[tuple[int, str], ...] = ()  # further good statuses and what they mean
