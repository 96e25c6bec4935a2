"""Calls about a space's tree: nodes, listings, versions, trash."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from appliance.client.api import Api
from appliance.client.pages import stream
from appliance.domain.errors import NotFound
from appliance.wire.nodes import (
    Copy,
    Listing,
    Move,
    Node,
    Nodes,
    Restore,
    RestoreVersion,
    Space,
    TrashItem,
    TrashPage,
    Version,
    Versions,
)

__all__ = ["HistoryCalls", "TreeCalls"]

_PAGE = 1000
_PARENTS = 200


def _id(text: str) -> str:
    return quote(text, safe="")


@dataclass(frozen=True, slots=True)
class TreeCalls:
    """Paths are absolute in one space."""

    api: Api
    space_id: str

    async def space(self) -> Space:
        return await self.api.call("GET", f"spaces/{self.space_id}", Space)

    async def node(self, node: str) -> Node:
        return await self.api.call("GET", f"nodes/{_id(node)}", Node)

    async def resolve(self, path: str) -> Node:
        """NotFound names the path: the server's answer can't know what the caller typed."""
        try:
            return await self.api.call(
                "GET", f"spaces/{self.space_id}/resolve", Node, query={"path": path}
            )
        except NotFound as problem:
            raise NotFound(f"There is nothing at {path}.", extra=problem.extra) from None

    async def resolve_or_none(self, path: str) -> Node | None:
        try:
            return await self.resolve(path)
        except NotFound:
            return None

    def children(self, node: str) -> AsyncIterator[Node]:
        return stream(self.api, f"nodes/{_id(node)}/children", Nodes)

    async def listing(self, parents: Sequence[str]) -> AsyncIterator[Node]:
        """Children of any number of folders, with few calls; those of one folder come together."""
        for start in range(0, len(parents), _PARENTS):
            group = list(parents[start : start + _PARENTS])
            after: str | None = None
            while True:
                page = await self.api.call(
                    "POST",
                    f"spaces/{self.space_id}/listing",
                    Nodes,
                    body=Listing(parents=group, after=after, limit=_PAGE),
                )
                for child in page.items:
                    yield child
                if (after := page.next) is None:
                    break

    def find(self, text: str) -> AsyncIterator[Node]:
        return stream(self.api, f"spaces/{self.space_id}/find", Nodes, {"q": text})

    async def move(self, node: str, change: Move) -> Node:
        """Repeating it is safe: `rev` refuses what somebody else did in between."""
        return await self.api.call("PATCH", f"nodes/{_id(node)}", Node, body=change)

    async def copy(self, node: str, copy: Copy) -> Node:
        return await self.api.call("POST", f"nodes/{_id(node)}/copy", Node, body=copy, keyed=True)

    async def trash(self, node: str, rev: int | None) -> Node:
        return await self.api.call("DELETE", f"nodes/{_id(node)}", Node, query={"rev": rev})

    async def purge(self, node: str, rev: int | None) -> None:
        await self.api.call(
            "DELETE", f"nodes/{_id(node)}", type(None), query={"rev": rev, "permanent": "true"}
        )


@dataclass(frozen=True, slots=True)
class HistoryCalls:
    """What was: versions and the trash."""

    api: Api
    space_id: str

    def versions(self, node: str) -> AsyncIterator[Version]:
        return stream(self.api, f"nodes/{_id(node)}/versions", Versions)

    async def restore_version(self, node: str, version: str, base: str | None) -> Node:
        return await self.api.call(
            "POST",
            f"nodes/{_id(node)}/versions/{_id(version)}/restore",
            Node,
            body=RestoreVersion(base=base),
            keyed=True,
        )

    def trashed(self) -> AsyncIterator[TrashItem]:
        return stream(self.api, f"spaces/{self.space_id}/trash", TrashPage)

    async def empty_trash(self) -> None:
        await self.api.call("DELETE", f"spaces/{self.space_id}/trash", type(None))

    async def restore(self, node: str, request: Restore) -> Node:
        return await self.api.call(
            "POST", f"nodes/{_id(node)}/restore", Node, body=request, keyed=True
        )
