"""Reading files and folders: nodes, pages of children, versions, chunk lists, the space itself.

Each page is one indexed query; what makes it 404 (a node deleted for good lies below the place of
the purged) is asked in the same round trip.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from appliance.cache.metadata import MetadataCache
from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.domain.errors import BadRequest, NotFound
from appliance.domain.names import split_path
from appliance.domain.tree import Place, place_of
from appliance.store import nodes, spaces
from appliance.store.nodes import NodeRow
from appliance.store.pools import Connection, Stores
from appliance.wire.nodes import Chunks, Listing, Node, Nodes, Space, Versions

from . import page_marks
from .contents import chunks_of, current_version, versions_page
from .finding import find
from .node_answers import node_answer
from .reading import View, reading

__all__ = ["Files"]

_NOTHING = "There is nothing with this id."
_FIGURES_KEPT = 1000


class Files:
    """`cache` may be None."""

    def __init__(
        self,
        *,
        stores: Stores,
        clock: Clock,
        cache: MetadataCache | None = None,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._cache = cache
        self._figures: OrderedDict[tuple[int, int], tuple[int, int]] = OrderedDict()

    async def space(self, caller: Caller, space: str, min_seq: int | None = None) -> Space:
        """Bytes of trash and old versions are counted anew when the space has changed.

        Both are a matter of its seq, but for what is being deleted for good: its versions go
        piece by piece after the change that took it away, so until then nothing is kept.
        """
        space_id = ids.decode_key("s", space)

        async def look(conn: Connection, view: View) -> Space:
            going = await nodes.purging(conn, space_id, 1)
            reserved = await spaces.reserved(conn, space_id, self._clock.now())
            head = await view.head()
            settled = await going.fetchone() is None
            figures = self._figures.get((space_id, head.seq)) if settled else None
            if figures is None:
                trash = await spaces.trash_bytes(conn, space_id)
                old = await spaces.version_bytes(conn, space_id)
                figures = (int(await trash.fetchone() or 0), int(await old.fetchone() or 0))
                if settled:
                    self._figures[space_id, head.seq] = figures
                if len(self._figures) > _FIGURES_KEPT:
                    self._figures.popitem(last=False)
            return Space(
                id=ids.encode_key("s", space_id),
                seq=head.seq,
                quota_bytes=head.quota_bytes,
                used_bytes=head.used_bytes,
                reserved_bytes=int(await reserved.fetchone() or 0),
                trash_bytes=figures[0],
                version_bytes=figures[1],
                versions_kept=head.versions_kept,
                root=ids.encode("n", space_id, ids.ROOT),
            )

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def node(self, caller: Caller, node: str, min_seq: int | None = None) -> Node:
        space_id, node_id = ids.decode("n", node)
        if self._cache is not None and space_id == caller.space_id:
            held = await self._cache.get_node(space_id, node_id, min_seq)
            if held is not None:
                return msgspec.json.decode(held, type=Node)
        return await self._look_up(caller, space_id, node_id, min_seq)

    async def _look_up(
        self, caller: Caller, space_id: int, node_id: int, min_seq: int | None
    ) -> Node:
        async def look(conn: Connection, view: View) -> tuple[Node, int]:
            found = await nodes.by_id(conn, space_id, [node_id])
            way = await nodes.ancestors(conn, space_id, [node_id])
            head = await view.head()
            row = await found.fetchone()
            place = place_of(node_id, {e.node_id: e.parent_id for e in await way.fetchall()})
            if row is None or place is Place.GONE:
                raise NotFound(_NOTHING)
            return node_answer(space_id, row, trashed=place is Place.TRASHED), head.seq

        answer, seq = await reading(self._stores, caller, space_id, min_seq, look)
        if self._cache is not None:
            await self._cache.put_node(space_id, node_id, seq, msgspec.json.encode(answer))
        return answer

    async def resolve(
        self, caller: Caller, space: str, path: str, min_seq: int | None = None
    ) -> Node:
        """By names from the root down: what lies in the trash has no path."""
        space_id = ids.decode_key("s", space)
        names = split_path(path)

        async def look(conn: Connection, view: View) -> Node:
            found = await nodes.at_path(conn, space_id, names)
            await view.head()
            row = await found.fetchone()
            if row is None:
                raise NotFound("There is nothing at this path.")
            return node_answer(space_id, row, trashed=False)

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def children(
        self,
        caller: Caller,
        node: str,
        after: str | None = None,
        limit: int = 1000,
        min_seq: int | None = None,
    ) -> Nodes:
        space_id, node_id = ids.decode("n", node)
        start = page_marks.read(after, str) if after else ""

        async def look(conn: Connection, view: View) -> Nodes:
            way = await nodes.ancestors(conn, space_id, [node_id])
            found = await nodes.children(conn, space_id, node_id, start, limit + 1)
            await view.head()
            edges = await way.fetchall()
            place = place_of(node_id, {e.node_id: e.parent_id for e in edges})
            if place is Place.GONE:
                raise NotFound(_NOTHING)
            if not any(e.node_id == node_id and e.kind == "folder" for e in edges):
                raise BadRequest("Only a folder has children.")
            rows = await found.fetchall()
            return _page(space_id, rows, limit, {node_id: place}, lambda row: row.name)

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def listing(
        self, caller: Caller, space: str, request: Listing, min_seq: int | None = None
    ) -> Nodes:
        space_id = ids.decode_key("s", space)
        parents = _of_space(space_id, request.parents)
        start = page_marks.read(request.after, tuple[int, str]) if request.after else (0, "")
        limit = request.limit

        async def look(conn: Connection, view: View) -> Nodes:
            way = await nodes.ancestors(conn, space_id, parents)
            found = await nodes.children_of(conn, space_id, parents, start, limit + 1)
            await view.head()
            edges = {e.node_id: e.parent_id for e in await way.fetchall()}
            places = {parent: place_of(parent, edges) for parent in parents}
            if Place.GONE in places.values():
                raise NotFound(_NOTHING)
            rows = await found.fetchall()
            return _page(space_id, rows, limit, places, lambda row: (row.parent_id, row.name))

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def find(
        self,
        caller: Caller,
        space: str,
        q: str,
        after: str | None = None,
        limit: int = 1000,
        min_seq: int | None = None,
    ) -> Nodes:
        """Names that begin with the text come first, then those that hold it elsewhere."""
        space_id = ids.decode_key("s", space)

        async def look(conn: Connection, view: View) -> Nodes:
            await view.head()
            return await find(conn, space_id, q, after, limit)

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def versions(
        self,
        caller: Caller,
        node: str,
        after: str | None = None,
        limit: int = 1000,
        min_seq: int | None = None,
    ) -> Versions:
        """Newest first."""
        space_id, node_id = ids.decode("n", node)
        before = page_marks.read(after, int) if after else ids.MAX_ID

        async def look(conn: Connection, view: View) -> Versions:
            current = await current_version(conn, view, node_id)
            return await versions_page(conn, space_id, node_id, current, before, limit)

        return await reading(self._stores, caller, space_id, min_seq, look)

    async def chunks(
        self, caller: Caller, node: str, version: str | None = None, min_seq: int | None = None
    ) -> Chunks:
        """Raises VersionGone for a version of this node that is no longer kept."""
        space_id, node_id = ids.decode("n", node)
        wanted = ids.decode("v", version) if version else None
        if wanted is not None and wanted[0] != space_id:
            raise NotFound(_NOTHING)

        async def look(conn: Connection, view: View) -> Chunks:
            current = await current_version(conn, view, node_id)
            return await chunks_of(conn, space_id, node_id, wanted[1] if wanted else current)

        return await reading(self._stores, caller, space_id, min_seq, look)


def _of_space(space_id: int, texts: Iterable[str]) -> list[int]:
    """Node ids; one of another space is NotFound, like one that doesn't exist."""
    found = [ids.decode("n", text) for text in texts]
    if any(other != space_id for other, _ in found):
        raise NotFound(_NOTHING)
    return [node_id for _, node_id in found]


def _page(
    space_id: int,
    rows: Sequence[NodeRow],
    limit: int,
    parents: Mapping[int, Place],
    mark: Callable[[NodeRow], Any],
) -> Nodes:
    """`rows` has one more than the page if there is a further one."""
    return Nodes(
        items=[
            node_answer(space_id, row, trashed=parents[row.parent_id] is Place.TRASHED)
            for row in rows[:limit]
        ],
        next=page_marks.write(mark(rows[limit - 1])) if len(rows) > limit else None,
    )
