"""Where a node is, told by its way up: in the tree, in the trash, or on its way out for good.

A node moves with all that hangs below it by a change of one row, so where it is can only be told
by walking up. The walk ends at the root, at the trash, or anywhere else: then nothing is there
any more, as deleting a folder only cuts it off and clears what is below later.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from appliance.domain.ids import ROOT, TRASH

__all__ = ["MAX_DEPTH", "Place", "depth_of", "is_within", "place_of"]

MAX_DEPTH = 500  # of a folder; one in the root has 1. A way up is walked with every change


class Place(StrEnum):
    LIVE = "live"
    TRASHED = "trashed"
    GONE = "gone"  # also: never was there


def place_of(node_id: int, parents: Mapping[int, int]) -> Place:
    """`parents`: node to parent, with the whole way up of the node."""
    while (parent := parents.get(node_id)) is not None:
        if node_id == ROOT:
            return Place.LIVE
        if parent == TRASH:
            return Place.TRASHED
        node_id = parent
    return Place.GONE


def is_within(node_id: int, folder_id: int, parents: Mapping[int, int]) -> bool:
    """Whether the node is the folder or anywhere below it: a move there would be a cycle."""
    at: int | None = node_id
    while at is not None:
        if at == folder_id:
            return True
        at = parents.get(at)
    return False


def depth_of(node_id: int, parents: Mapping[int, int]) -> int:
    """How many steps it is to the root, for a node whose whole way up is there."""
    depth = 0
    while node_id != ROOT:
        node_id = parents[node_id]
        depth += 1
    return depth
