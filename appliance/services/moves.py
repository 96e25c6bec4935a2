"""Rename, move, change of mode and time, copy, an old version made current: no byte moves.

A move changes one row, whatever hangs below it. That no folder comes to lie within itself is
checked in the transaction that moves it, under the lock through which every other move must come.
"""

from __future__ import annotations

from datetime import timedelta

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.errors import (
    BlobQuarantined,
    Conflict,
    Cycle,
    NotFound,
    ParentTrashed,
    VersionGone,
)
from appliance.domain.names import check_name, flags, fold
from appliance.domain.retention import to_drop
from appliance.domain.tree import MAX_DEPTH, Place, is_within
from appliance.settings import Limits
from appliance.store import nodes, versions
from appliance.store.nodes import Content, Placing
from appliance.store.pools import Connection
from appliance.store.versions import NewVersion
from appliance.wire.nodes import Copy, Move, Node, RestoreVersion

from .changing import Changer, Draft, Once
from .copying import copy_tree
from .node_answers import current_extra
from .standing import Standing, check_free, check_rev, find_standing, read_back
from .written import Written

__all__ = ["Moves"]


class Moves:
    def __init__(self, *, changer: Changer, limits: Limits) -> None:
        self._changer = changer
        self._limits = limits

    async def move(self, caller: Caller, node: str, request: Move) -> Written[Node]:
        """Raises NotFound, Conflict (not the rev), NameTaken, Cycle, ParentTrashed, InvalidName,
        TreeTooLarge (too deep).
        """
        space_id, node_id = ids.decode("n", node)
        parent_id = _within(space_id, request.parent) if request.parent else None
        name = check_name(request.name) if request.name is not None else None

        async def work(conn: Connection, draft: Draft) -> Node:
            found = await find_standing(conn, draft, [node_id, *([parent_id] if parent_id else [])])
            row = found.rows[node_id]
            check_rev(space_id, row, request.rev)
            _check_live(found, node_id)
            to_parent = row.parent_id if parent_id is None else parent_id
            to_name = row.name if name is None else name
            if (to_parent, to_name) != (row.parent_id, row.name):
                if node_id == ids.ROOT:
                    raise Conflict("The root of a space stays where it is.")
                found.check_folder(to_parent)
                if is_within(to_parent, node_id, found.parents):
                    raise Cycle("A folder can't be moved into itself or what lies below it.")
                if row.kind == "folder" and to_parent != row.parent_id:
                    found.check_depth(
                        to_parent, await nodes.height(conn, space_id, node_id, MAX_DEPTH)
                    )
                await check_free(conn, space_id, to_parent, to_name, node_id)
            await _write_move(conn, draft, found, node_id, to_parent, to_name, request)
            return await read_back(conn, space_id, node_id, trashed=False)

        return await self._changer.change(caller, space_id, work)

    async def copy(
        self, caller: Caller, node: str, request: Copy, idempotency_key: str | None = None
    ) -> Written[Node]:
        """A file, a link, or a folder with all below it; raises TreeTooLarge beyond the limits.

        Each new node has a journal row of its own, parents before children.
        """
        space_id, node_id = ids.decode("n", node)
        parent_id = _within(space_id, request.parent)
        name = check_name(request.name)

        async def work(conn: Connection, draft: Draft) -> Node:
            found = await find_standing(conn, draft, [node_id, parent_id])
            _check_live(found, node_id)
            found.check_folder(parent_id)
            if is_within(parent_id, node_id, found.parents):
                raise Cycle("A folder can't be copied into itself or what lies below it.")
            if found.rows[node_id].kind == "folder":
                found.check_depth(parent_id, await nodes.height(conn, space_id, node_id, MAX_DEPTH))
            await check_free(conn, space_id, parent_id, name, None)
            copied = await copy_tree(
                conn, draft, node_id, parent_id, name, self._changer.ids, self._limits.copy_nodes
            )
            return await read_back(conn, space_id, copied, trashed=False)

        once = Once.of(idempotency_key, f"copy {node}", request, Node)
        return await self._changer.change(caller, space_id, work, once)

    async def restore_version(
        self,
        caller: Caller,
        node: str,
        version: str,
        request: RestoreVersion,
        idempotency_key: str | None = None,
    ) -> Written[Node]:
        """The old content as a new version: history only grows at its end."""
        space_id, node_id = ids.decode("n", node)
        version_id = _within(space_id, version, "v")
        base = _within(space_id, request.base, "v") if request.base else None
        fresh = timedelta(seconds=self._limits.released_blob_seconds)

        async def work(conn: Connection, draft: Draft) -> Node:
            history_rows = await versions.history(conn, space_id, node_id)
            wanted_rows = await versions.one(conn, space_id, node_id, version_id)
            found = await find_standing(conn, draft, [node_id])
            _check_live(found, node_id)
            row = found.rows[node_id]
            wanted = await wanted_rows.fetchone()
            if wanted is None:
                raise VersionGone("This version of the file is no longer kept.")
            if wanted.blob_state == "quarantined":
                raise BlobQuarantined("The stored bytes of this version failed a check.")
            if base is not None and row.version_id != base:
                raise Conflict(
                    "The file has another current version by now.",
                    extra=current_extra(space_id, row),
                )
            if row.version_id == version_id:
                return await read_back(conn, space_id, node_id, trashed=False)
            new = self._changer.ids.next()
            rev = draft.add(
                node_id,
                "content",
                row.kind,
                old_parent=row.parent_id,
                new_parent=row.parent_id,
                name=row.name,
                version_id=new,
            )
            mtime_ns, mode = wanted.mtime_ns, wanted.mode
            made = NewVersion(
                new,
                node_id,
                wanted.blob_id,
                wanted.size,
                wanted.sha256,
                mtime_ns,
                mode,
                caller.device,
            )
            await versions.insert(conn, space_id, [made], author=caller.user_id, now=draft.now)
            await nodes.set_content(
                conn, space_id, [Content(node_id, new, wanted.size, mtime_ns, mode, None, rev)]
            )
            blobs = {old.version_id: old.blob_id for old in await history_rows.fetchall()}
            dropped = to_drop([*blobs, new], new, draft.space.versions_kept)
            if dropped:
                await versions.delete(conn, space_id, dropped)
                freed = {blob for old in dropped if (blob := blobs[old]) is not None}
                await versions.release(conn, space_id, sorted(freed), draft.now + fresh)
            return await read_back(conn, space_id, node_id, trashed=False)

        once = Once.of(idempotency_key, f"restore {version} of {node}", request, Node)
        return await self._changer.change(caller, space_id, work, once)


def _within(space_id: int, text: str, kind: str = "n") -> int:
    other, found = ids.decode(kind, text)
    if other != space_id:
        raise NotFound("There is nothing with this id.")
    return found


def _check_live(found: Standing, node_id: int) -> None:
    if found.place(node_id) is Place.TRASHED:
        raise ParentTrashed("It is in the trash; restore it first.")


async def _write_move(
    conn: Connection,
    draft: Draft,
    found: Standing,
    node_id: int,
    parent_id: int,
    name: str,
    request: Move,
) -> None:
    row = found.rows[node_id]
    mode = row.mode if request.mode is None else request.mode
    mtime_ns = row.mtime_ns if request.mtime_ns is None else request.mtime_ns
    placed = (parent_id, name) != (row.parent_id, row.name)
    if not placed and (mode, mtime_ns) == (row.mode, row.mtime_ns):
        return
    rev = draft.add(
        node_id,
        "move" if placed else "meta",
        row.kind,
        old_parent=row.parent_id or None,
        new_parent=parent_id or None,
        name=name,
        version_id=row.version_id,
    )
    if placed:
        placing = Placing(node_id, parent_id, name, fold(name), flags(name), rev)
        await nodes.place(conn, draft.space_id, [placing])
        draft.tree_moved = row.kind == "folder"
    await nodes.set_meta(conn, draft.space_id, node_id, mode, mtime_ns, rev)
