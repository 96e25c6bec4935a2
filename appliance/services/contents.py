"""Versions and chunk lists of one file, inside a read."""

from __future__ import annotations

from appliance.domain import ids
from appliance.domain.chunking import unpack
from appliance.domain.errors import BadRequest, NotFound, VersionGone
from appliance.domain.tree import Place, place_of
from appliance.store import nodes, versions
from appliance.store.pools import Connection
from appliance.wire.nodes import Chunk, Chunks, Version, Versions

from . import page_marks
from .reading import View

__all__ = ["chunks_of", "current_version", "versions_page"]


async def current_version(conn: Connection, view: View, node_id: int) -> int:
    """Raises NotFound, and BadRequest for what isn't a file."""
    found = await nodes.by_id(conn, view.space_id, [node_id])
    way = await nodes.ancestors(conn, view.space_id, [node_id])
    await view.head()
    row = await found.fetchone()
    place = place_of(node_id, {e.node_id: e.parent_id for e in await way.fetchall()})
    if row is None or place is Place.GONE:
        raise NotFound("There is nothing with this id.")
    if row.version_id is None:
        raise BadRequest("Only a file has versions.")
    return row.version_id


async def versions_page(
    conn: Connection, space_id: int, node_id: int, current: int, before: int, limit: int
) -> Versions:
    """Newest first, before one version id."""
    rows = await (await versions.page(conn, space_id, node_id, before, limit + 1)).fetchall()
    return Versions(
        items=[
            Version(
                id=ids.encode("v", space_id, row.version_id),
                size=row.size,
                sha256=row.sha256.hex() if row.sha256 else None,
                mtime_ns=row.mtime_ns,
                mode=row.mode,
                author=ids.encode_key("p", row.author_user_id),
                device=row.device,
                created_at=row.created_at,
                current=row.version_id == current,
            )
            for row in rows[:limit]
        ],
        next=page_marks.write(rows[limit - 1].version_id) if len(rows) > limit else None,
    )


async def chunks_of(conn: Connection, space_id: int, node_id: int, version_id: int) -> Chunks:
    """Raises VersionGone for what is no version of this node, or no longer."""
    row = await (await versions.chunk_list(conn, space_id, node_id, version_id)).fetchone()
    if row is None:
        raise VersionGone("This version of the file is no longer kept.")
    status = "quarantined" if row.blob_state == "quarantined" else "uploaded"
    items, offset = [], 0
    for index, chunk in enumerate(unpack(row.chunk_list or b"")):
        items.append(
            Chunk(
                index=index,
                offset=offset,
                length=chunk.length,
                sha256=chunk.sha256.hex(),
                status=status,
            )
        )
        offset += chunk.length
    return Chunks(
        version=ids.encode("v", space_id, version_id),
        chunk_class=row.chunk_class or 0,
        items=items,
    )
