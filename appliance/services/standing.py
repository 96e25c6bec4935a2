"""Where nodes stand at the moment of a change: their rows and their ways up, under the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.domain.errors import (
    BadRequest,
    Conflict,
    NameTaken,
    NotFound,
    ParentTrashed,
    TreeTooLarge,
)
from appliance.domain.tree import MAX_DEPTH, Place, depth_of, place_of
from appliance.store import nodes
from appliance.store.nodes import NodeRow
from appliance.store.pools import Connection
from appliance.wire.nodes import Node

from .changing import Draft
from .node_answers import current_extra, node_answer

__all__ = ["Standing", "check_free", "check_rev", "find_standing", "read_back"]

_NOTHING = "There is nothing with this id."


@dataclass(frozen=True, slots=True)
class Standing:
    rows: Mapping[int, NodeRow]
    parents: Mapping[int, int]

    def place(self, node_id: int) -> Place:
        return place_of(node_id, self.parents)

    def check_folder(self, node_id: int) -> None:
        """That something may be put there."""
        row = self.rows.get(node_id)
        place = self.place(node_id)
        if place is Place.TRASHED:
            raise ParentTrashed("The folder is in the trash.")
        if row is not None and row.kind != "folder":
            raise BadRequest("Only a folder can hold something.")

    def check_depth(self, parent_id: int, height: int = 0) -> None:
        """That a folder with so many levels below it may be put there."""
        if depth_of(parent_id, self.parents) + 1 + height > MAX_DEPTH:
            raise TreeTooLarge(f"Folders can lie at most {MAX_DEPTH} levels deep.")


async def find_standing(conn: Connection, draft: Draft, node_ids: Sequence[int]) -> Standing:
    """Locks the space; raises NotFound for a node that isn't there any more.

    A folder that isn't asked for but is on the way up of one that is may be used all the same.
    """
    found = await nodes.by_id(conn, draft.space_id, node_ids)
    way = await nodes.ancestors(conn, draft.space_id, node_ids)
    await draft.locked()
    standing = Standing(
        {row.node_id: row for row in await found.fetchall()},
        {edge.node_id: edge.parent_id for edge in await way.fetchall()},
    )
    for node_id in node_ids:
        if node_id not in standing.rows or standing.place(node_id) is Place.GONE:
            raise NotFound(_NOTHING)
    return standing


def check_rev(space_id: int, row: NodeRow, rev: int | None) -> None:
    if rev is not None and rev != row.rev:
        raise Conflict("It has changed in the meantime.", extra=current_extra(space_id, row))


async def check_free(
    conn: Connection, space_id: int, parent_id: int, name: str, but: int | None
) -> None:
    """That the name is free in the folder, or the node's own already."""
    there = await (await nodes.named(conn, space_id, [(parent_id, name)])).fetchone()
    if there is not None and there.node_id != but:
        raise NameTaken(
            "Something of that name is already there.", extra=current_extra(space_id, there)
        )


async def read_back(conn: Connection, space_id: int, node_id: int, *, trashed: bool) -> Node:
    """The node as this transaction leaves it."""
    row = await (await nodes.by_id(conn, space_id, [node_id])).fetchone()
    assert row is not None
    return node_answer(space_id, row, trashed=trashed)
