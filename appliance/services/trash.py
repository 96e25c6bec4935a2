"""The trash: in, out, and away for good.

A trashed node moves below the trash with all that hangs below it: one row. One that is deleted for
good moves below the place of the purged, and from that moment it and all below are 404; rows and
bytes are cleared afterwards, in bounded transactions (services.purging).
"""

from __future__ import annotations

from datetime import UTC, datetime

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.errors import Conflict, NotFound, ParentTrashed
from appliance.domain.names import check_name, flags, fold
from appliance.domain.tree import MAX_DEPTH, Place
from appliance.settings import Limits
from appliance.store import nodes
from appliance.store import trash as rows
from appliance.store.nodes import NodeRow, Placing
from appliance.store.pools import Connection
from appliance.store.trash import TrashRow
from appliance.wire.nodes import Node, Restore, TrashItem, TrashPage

from . import page_marks
from .changing import Changer, Draft, Once
from .node_answers import node_answer, shown_name, trash_name
from .purging import empty_chunk, purge_chunk
from .reading import View, reading
from .standing import Standing, check_free, check_rev, find_standing, read_back
from .written import Written

__all__ = ["Trash"]

_CHUNK = 1000
_LATEST = (datetime(9999, 12, 31, tzinfo=UTC), ids.MAX_ID)


class Trash:
    def __init__(self, *, changer: Changer, limits: Limits) -> None:
        self._changer = changer
        self._limits = limits

    async def trash(self, caller: Caller, node: str, rev: int | None = None) -> Written[Node]:
        """What is in the trash already stays as it is. Raises NotFound, Conflict (not the rev)."""
        space_id, node_id = ids.decode("n", node)

        async def work(conn: Connection, draft: Draft) -> Node:
            found = await find_standing(conn, draft, [node_id])
            row = found.rows[node_id]
            check_rev(space_id, row, rev)
            if found.place(node_id) is not Place.TRASHED:
                _check_not_root(node_id)
                await _sink(conn, draft, row, ids.TRASH, "trash")
                await rows.insert(
                    conn,
                    space_id,
                    node_id,
                    row.parent_id,
                    row.name,
                    trashed_by=caller.user_id,
                    now=draft.now,
                )
            return await read_back(conn, space_id, node_id, trashed=True)

        return await self._changer.change(caller, space_id, work)

    async def purge(self, caller: Caller, node: str, rev: int | None = None) -> Written[None]:
        """For good, from the trash or from where it is. Raises NotFound, Conflict (not the rev)."""
        space_id, node_id = ids.decode("n", node)

        async def work(conn: Connection, draft: Draft) -> None:
            found = await find_standing(conn, draft, [node_id])
            row = found.rows[node_id]
            check_rev(space_id, row, rev)
            _check_not_root(node_id)
            await _sink(conn, draft, row, ids.PURGING, "delete")
            await rows.delete(conn, space_id, [node_id])

        return await self._changer.change(caller, space_id, work)

    async def restore(
        self, caller: Caller, node: str, request: Restore, idempotency_key: str | None = None
    ) -> Written[Node]:
        """Back to where it was, unless told otherwise.

        Raises ParentTrashed when that folder is gone and no other is named, NameTaken when the
        name is in use there and no other is given, TreeTooLarge when it would lie too deep. What
        lies within a trashed folder needs a parent: it never was anywhere else.
        """
        space_id, node_id = ids.decode("n", node)
        parent_id = None
        if request.parent is not None:
            other, parent_id = ids.decode("n", request.parent)
            if other != space_id:
                raise NotFound("There is nothing with this id.")
        name = check_name(request.name) if request.name is not None else None

        async def work(conn: Connection, draft: Draft) -> Node:
            item_rows = await rows.item(conn, space_id, node_id)
            found = await find_standing(conn, draft, [node_id, *([parent_id] if parent_id else [])])
            if found.place(node_id) is not Place.TRASHED:
                raise Conflict("It isn't in the trash.")
            item = await item_rows.fetchone()
            row = found.rows[node_id]
            home, to_parent = await _home(conn, draft, found, item, parent_id)
            if row.kind == "folder":
                height = await nodes.height(conn, space_id, node_id, MAX_DEPTH)
                home.check_depth(to_parent, height)
            to_name = name or (item.name if item else shown_name(row.parent_id, row.name))
            await check_free(conn, space_id, to_parent, to_name, None)
            new_rev = draft.add(
                node_id,
                "restore",
                row.kind,
                old_parent=row.parent_id,
                new_parent=to_parent,
                name=to_name,
                version_id=row.version_id,
            )
            placing = Placing(node_id, to_parent, to_name, fold(to_name), flags(to_name), new_rev)
            await nodes.place(conn, space_id, [placing])
            await rows.delete(conn, space_id, [node_id])
            draft.tree_moved = row.kind == "folder"
            return await read_back(conn, space_id, node_id, trashed=False)

        once = Once.of(idempotency_key, f"restore {node}", request, Node)
        return await self._changer.change(caller, space_id, work, once)

    async def page(
        self,
        caller: Caller,
        space: str,
        after: str | None = None,
        limit: int = 1000,
        min_seq: int | None = None,
    ) -> TrashPage:
        """What was trashed by itself, latest first."""
        space_id = ids.decode_key("s", space)
        before = page_marks.read(after, tuple[datetime, int]) if after else _LATEST

        async def look(conn: Connection, view: View) -> TrashPage:
            await view.head()
            found = await (await rows.page(conn, space_id, before, limit + 1)).fetchall()
            shown = found[:limit]
            full = await nodes.by_id(conn, space_id, [item.node_id for item in shown])
            by_id = {row.node_id: row for row in await full.fetchall()}
            last = shown[-1] if len(found) > limit else None
            return TrashPage(
                items=[
                    _item(space_id, item, by_id[item.node_id])
                    for item in shown
                    if item.node_id in by_id
                ],
                next=page_marks.write((last.trashed_at, last.node_id)) if last else None,
            )

        return await reading(self._changer.stores, caller, space_id, min_seq, look)

    async def empty(self, caller: Caller, space: str) -> Written[None]:
        """All that is in the trash now, a thousand items a transaction."""
        space_id = ids.decode_key("s", space)
        now = self._changer.clock.now()
        while (done := await self.empty_chunk(caller, space_id, now, _CHUNK)).answer == _CHUNK:
            pass
        return Written(None, done.seq)

    async def empty_chunk(
        self, caller: Caller, space_id: int, before: datetime, limit: int
    ) -> Written[int]:
        """At most `limit` items that were trashed up to a time; the answer is how many."""
        return await self._changer.change(
            caller, space_id, lambda conn, draft: empty_chunk(conn, draft, before, limit)
        )

    async def purge_chunk(self, space_id: int, limit: int) -> int:
        """Clears about `limit` rows below the place of the purged; 0 when nothing is left."""
        now = self._changer.clock.now()
        return await self._changer.stores.run(
            space_id,
            lambda conn: purge_chunk(
                conn, space_id, limit, now, self._limits.released_blob_seconds
            ),
        )


def _check_not_root(node_id: int) -> None:
    if node_id == ids.ROOT:
        raise Conflict("The root of a space stays where it is.")


async def _sink(conn: Connection, draft: Draft, row: NodeRow, place: int, change: str) -> None:
    name = shown_name(row.parent_id, row.name)
    rev = draft.add(
        row.node_id,
        change,
        row.kind,
        old_parent=row.parent_id,
        new_parent=place if place == ids.TRASH else None,
        name=name,
        version_id=row.version_id,
    )
    sunk = trash_name(name, row.node_id)
    placing = Placing(row.node_id, place, sunk, trash_name(fold(name), row.node_id), row.flags, rev)
    await nodes.place(conn, draft.space_id, [placing])
    draft.tree_moved = row.kind == "folder"


async def _home(
    conn: Connection, draft: Draft, found: Standing, item: TrashRow | None, asked: int | None
) -> tuple[Standing, int]:
    """The folder that a node is restored to, and where that stands."""
    if asked is not None:
        found.check_folder(asked)
        return found, asked
    if item is None:
        raise ParentTrashed("The folder it lies in is in the trash: restore that, or name another.")
    try:
        before = await find_standing(conn, draft, [item.parent_id])
    except NotFound:
        raise ParentTrashed("The folder it was in is gone: name another.") from None
    before.check_folder(item.parent_id)
    return before, item.parent_id


def _item(space_id: int, item: TrashRow, row: NodeRow) -> TrashItem:
    return TrashItem(
        node=node_answer(space_id, row, trashed=True),
        name=item.name,
        from_parent=ids.encode("n", space_id, item.parent_id),
        trashed_at=item.trashed_at,
    )
