"""What is deleted for good is cleared in bounded pieces, so that no space is blocked for long.

Whatever lies below the place of the purged can't be seen any more, so the pieces need no order
that a reader could notice. Each takes the lock, looks at the first nodes there, deletes what has
nothing below it, and lets folders that lie below a deleted one rise to the same place: every node
is written at most twice, and a crash between two pieces leaves nothing to repair.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.domain import ids
from appliance.domain.names import fold
from appliance.store import nodes, pipelines, spaces, trash, versions
from appliance.store.nodes import Placing, PurgingRow
from appliance.store.pools import Connection

from .changing import Draft
from .node_answers import trash_name

__all__ = ["empty_chunk", "purge_chunk"]

_VERSIONS_PER_NODE = 10


async def empty_chunk(conn: Connection, draft: Draft, before: datetime, limit: int) -> int:
    """How many items of the trash were deleted for good, at most `limit`."""
    found = await trash.before(conn, draft.space_id, before, limit)
    await draft.locked()
    due = await found.fetchall()
    if not due:
        return 0
    placings = []
    for item in due:
        rev = draft.add(item.node_id, "delete", item.kind, old_parent=ids.TRASH, name=item.name)
        name = trash_name(item.name, item.node_id)
        folded = trash_name(fold(item.name), item.node_id)
        placings.append(Placing(item.node_id, ids.PURGING, name, folded, 0, rev))
        draft.tree_moved = draft.tree_moved or item.kind == "folder"
    await nodes.place(conn, draft.space_id, placings)
    await trash.delete(conn, draft.space_id, [item.node_id for item in due])
    return len(due)


async def purge_chunk(
    conn: Connection, space_id: int, limit: int, now: datetime, fresh_seconds: int
) -> int:
    """How many rows were touched; 0 when nothing is left."""
    async with pipelines.transaction(conn):
        await spaces.lock(conn, space_id)
        tops = await (await nodes.purging(conn, space_id, limit)).fetchall()
        folders = [row.node_id for row in tops if row.kind == "folder"]
        below: list[PurgingRow] = []
        if folders:
            found = await nodes.purging_children(conn, space_id, folders, limit)
            below = await found.fetchall()
        seen = folders
        if len(below) == limit:
            seen = folders[: folders.index(below[-1].parent_id)]
        leaves = [row.node_id for row in (*tops, *below) if row.kind != "folder"]
        rising = [row.node_id for row in below if row.kind == "folder"]
        done = await _drop_versions(conn, space_id, leaves, limit, now, fresh_seconds)
        if rising:
            await nodes.sink(conn, space_id, rising)
        if len(done) < len(leaves):
            seen = []
        if done or seen:
            await nodes.delete(conn, space_id, [*done, *seen])
        return len(tops) + len(below)


async def _drop_versions(
    conn: Connection,
    space_id: int,
    leaves: list[int],
    limit: int,
    now: datetime,
    fresh_seconds: int,
) -> list[int]:
    """Those of the nodes that have no version left."""
    if not leaves:
        return []
    bound = limit * _VERSIONS_PER_NODE
    rows = await (await versions.of_nodes(conn, space_id, leaves, bound)).fetchall()
    if rows:
        await versions.delete(conn, space_id, [row.version_id for row in rows])
        blob_ids = sorted({row.blob_id for row in rows if row.blob_id is not None})
        await versions.release(conn, space_id, blob_ids, now + timedelta(seconds=fresh_seconds))
    if len(rows) < bound:
        return leaves
    return [node_id for node_id in leaves if node_id < rows[-1].node_id]
