"""Where mv and cp put things inside the space: the rules that people know from their shells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.cli.printing import shown
from appliance.client.transfer.commit import folder_of
from appliance.client.transfer.prepare_put import absolute
from appliance.client.tree import TreeCalls
from appliance.domain.errors import BadRequest, NameTaken, NotFound
from appliance.wire.nodes import Node

__all__ = ["Placed", "places"]


@dataclass(frozen=True, slots=True)
class Placed:
    node: Node
    path: str
    parent: str  # node of the folder it goes into
    name: str
    to: str  # path it will have


async def places(tree: TreeCalls, sources: Sequence[str], destination: str) -> list[Placed]:
    """Into an existing folder, else to that name. Nothing is ever replaced: a name that is taken
    is refused, by the server too."""
    target = absolute(destination)
    folder = await tree.resolve_or_none(target)
    into = destination.endswith("/") or len(sources) > 1 or (folder is not None)
    if into and folder is None:
        raise NotFound(f"There is no folder {shown(target)}.")
    if folder is not None and folder.kind != "folder":
        raise NameTaken(f"{shown(target)} is there already; remove it first: stowbay rm")
    found: list[Placed] = []
    for source in sources:
        path = absolute(source)
        if path == "/":
            raise BadRequest("The root itself stays where it is.")
        node = await tree.resolve(path)
        if folder is not None:
            to = f"{target.rstrip('/')}/{node.name}"
            found.append(Placed(node, path, folder.id, node.name, to))
        else:
            parent = await tree.resolve(folder_of(target))
            found.append(Placed(node, path, parent.id, target.rpartition("/")[2], target))
    return found
