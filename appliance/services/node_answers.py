"""Rows of nodes as the API shows them."""

from __future__ import annotations

from typing import Any, Literal, cast

from appliance.domain import ids, names
from appliance.store.nodes import Named, NodeRow
from appliance.wire.nodes import Node
from appliance.wire.uploads import CurrentState

__all__ = [
    "current_extra",
    "current_state",
    "node_answer",
    "shown_name",
    "trash_name",
    "version_id",
]


def node_answer(space_id: int, row: NodeRow, *, trashed: bool) -> Node:
    flags = []
    if row.flags & names.WINDOWS_UNFIT:
        flags.append("windows-unfit")
    if row.twin:
        flags.append("case-twin")
    return Node(
        id=ids.encode("n", space_id, row.node_id),
        parent=ids.encode("n", space_id, row.parent_id) if row.parent_id else None,
        name=shown_name(row.parent_id, row.name),
        kind=cast(Literal["file", "folder", "link"], row.kind),
        version=version_id(space_id, row.version_id),
        size=row.size,
        sha256=row.sha256.hex() if row.sha256 else None,
        mtime_ns=row.mtime_ns,
        mode=row.mode,
        target=row.target,
        rev=row.rev,
        flags=flags,
        trashed=trashed,
        created_at=row.created_at,
        status="quarantined" if row.blob_state == "quarantined" else "uploaded",
    )


def trash_name(name: str, node_id: int) -> str:
    """Unique among all that was ever trashed, and no name that a node can be given."""
    return f"{name}/{node_id}"


def shown_name(parent_id: int, name: str) -> str:
    return name.rpartition("/")[0] if parent_id == ids.TRASH else name


def version_id(space_id: int, version: int | None) -> str | None:
    return None if version is None else ids.encode("v", space_id, version)


def current_state(space_id: int, row: NodeRow | Named) -> CurrentState:
    return CurrentState(
        node=ids.encode("n", space_id, row.node_id),
        kind=row.kind,
        version=version_id(space_id, row.version_id),
        rev=row.rev,
        size=row.size,
    )


def current_extra(space_id: int, row: NodeRow | Named) -> dict[str, Any]:
    """For the body of a conflict."""
    state = current_state(space_id, row)
    return {"current": {name: getattr(state, name) for name in state.__struct_fields__}}
