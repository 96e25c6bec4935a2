"""A tree copied: new nodes and versions over the same blobs, so the quota doesn't change."""

from __future__ import annotations

from appliance.domain.errors import TreeTooLarge
from appliance.domain.ids import IdMaker
from appliance.domain.names import flags, fold
from appliance.store import nodes, versions
from appliance.store.nodes import NewNode, SubtreeRow
from appliance.store.pools import Connection
from appliance.store.versions import NewVersion

from .changing import Draft

__all__ = ["copy_tree"]


async def copy_tree(
    conn: Connection,
    draft: Draft,
    node_id: int,
    parent_id: int,
    name: str,
    id_maker: IdMaker,
    limit: int,
) -> int:
    """The new top's id. Only current versions are copied. Raises TreeTooLarge."""
    found = await nodes.subtree(conn, draft.space_id, node_id, limit + 1)
    rows = await found.fetchall()
    if len(rows) > limit:
        raise TreeTooLarge(f"The folder holds more than {limit} nodes; copy it in pieces.")
    new_ids = iter(id_maker.batch(2 * len(rows)))
    copies = {row.node_id: next(new_ids) for row in rows}
    new_nodes, new_versions = [], []
    rows[0] = rows[0]._replace(name=name, folded=fold(name), flags=flags(name))
    for row in rows:
        to_parent = parent_id if row.node_id == node_id else copies[row.parent_id]
        version = next(new_ids) if row.kind == "file" else None
        copied = copies[row.node_id]
        rev = draft.add(
            copied, "create", row.kind, new_parent=to_parent, name=row.name, version_id=version
        )
        new_nodes.append(_node(row, copied, to_parent, version, rev))
        if version is not None:
            new_versions.append(
                NewVersion(
                    version,
                    copied,
                    row.blob_id,
                    row.size,
                    row.sha256,
                    row.mtime_ns,
                    row.mode,
                    draft.caller.device,
                )
            )
    await nodes.insert(conn, draft.space_id, new_nodes, draft.now)
    if new_versions:
        await versions.insert(
            conn, draft.space_id, new_versions, author=draft.caller.user_id, now=draft.now
        )
    return copies[node_id]


def _node(
    row: SubtreeRow, node_id: int, parent_id: int, version_id: int | None, rev: int
) -> NewNode:
    return NewNode(
        node_id=node_id,
        parent_id=parent_id,
        name=row.name,
        folded=row.folded,
        kind=row.kind,
        flags=row.flags,
        version_id=version_id,
        size=row.size,
        mtime_ns=row.mtime_ns,
        mode=row.mode,
        target=row.target,
        rev=rev,
    )
