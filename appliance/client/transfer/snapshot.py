"""What the space holds under a destination, read only as deep as the local tree goes.

Folders that only the space has are not listed, so a small tree put beside a large one is cheap; a
folder with few local children is asked by path instead of listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from appliance.client.transfer.walk import Entry
from appliance.client.tree import TreeCalls
from appliance.wire.nodes import Node

__all__ = ["Snapshot", "below", "take"]

Snapshot = dict[str, Node]
"""Absolute path in the space -> what is there; absent: nothing."""

_FEW = 4


def below(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


async def take(tree: TreeCalls, known: Snapshot, entries: Sequence[Entry]) -> Snapshot:
    """`known` has the nodes above the entries, as far as they exist."""
    found: Snapshot = dict(known)
    wanted: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.path not in found:
            wanted[entry.path.rpartition("/")[0] or "/"].append(entry)
    level = [path for path in wanted if _is_folder(found, path)]
    while level:
        many = {found[path].id: path for path in level if len(wanted[path]) > _FEW}
        few = [entry for path in level for entry in wanted[path] if len(wanted[path]) <= _FEW]
        if len(few) > 200:
            many |= {found[path].id: path for path in level}
            few = []
        async for node in tree.listing(list(many)):
            if node.parent in many:
                found[below(many[node.parent], node.name)] = node
        for entry in few:
            if node_or_none := await tree.resolve_or_none(entry.path):
                found[entry.path] = node_or_none
        level = [
            entry.path
            for path in level
            for entry in wanted[path]
            if entry.kind == "folder" and entry.path in wanted and _is_folder(found, entry.path)
        ]
    return found


def _is_folder(found: Snapshot, path: str) -> bool:
    return path in found and found[path].kind == "folder"
