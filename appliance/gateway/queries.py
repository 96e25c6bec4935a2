"""Query parameters as types: what is parsed and what the OpenAPI document says are one thing."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from appliance.wire.fields import Id, Limit
from appliance.wire.nodes import Bind

__all__ = [
    "ChangesQuery", "ChunksQuery", "ContentQuery", "DeleteQuery", "FindQuery", "NoQuery", "Page",
    "Query", "ResolveQuery",
]  # fmt: skip

After = Annotated[str, Meta(max_length=2048, description="`next` of the page before.")]
Rev = Annotated[
    int,
    Meta(ge=0, le=2**63 - 1, description="Refused with 409 unless it is the node's current rev."),
]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    pass


class NoQuery(Query, frozen=True, kw_only=True):
    pass


class Page(Query, frozen=True, kw_only=True):
    after: After | None = None
    limit: Limit = 100


class FindQuery(Page, frozen=True, kw_only=True):
    q: Annotated[
        str, Meta(min_length=1, max_length=255, description="The name, whatever its case.")
    ]


class ResolveQuery(Query, frozen=True, kw_only=True):
    path: Annotated[str, Meta(min_length=1, max_length=4096, description="/folder/file")]


class DeleteQuery(Query, frozen=True, kw_only=True):
    rev: Rev | None = None
    permanent: bool = False


class ChunksQuery(Query, frozen=True, kw_only=True):
    version: Id | None = None


class ContentQuery(Query, frozen=True, kw_only=True):
    version: Id | None = None
    disposition: Literal["attachment", "inline"] = "attachment"
    bind: Bind | None = None


class ChangesQuery(Query, frozen=True, kw_only=True):
    cursor: (
        Annotated[str, Meta(max_length=256, description="Absent: from the beginning.")] | None
    ) = None
    wait: Annotated[
        int, Meta(ge=0, le=3600, description="Seconds to wait for news; the server may cut it.")
    ] = 0
    limit: Limit = 500
