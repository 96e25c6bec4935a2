"""stowbay restore"""

from __future__ import annotations

import click

from appliance.cli.find import Paths
from appliance.cli.printing import shown
from appliance.cli.session import Session, run
from appliance.cli.trash import where_from
from appliance.client.transfer.commit import folder_of
from appliance.client.transfer.prepare_put import absolute
from appliance.domain.errors import BadRequest, NotFound
from appliance.wire.nodes import Node, Restore, TrashItem

__all__ = ["command"]


@click.command("restore")
@click.argument("what", metavar="ID|/PATH|NAME")
@click.option("--to", "to", metavar="/PATH", help="Elsewhere than where it was.")
def command(what: str, to: str | None) -> None:
    """Bring back from the trash: by id, by the path it had, or by name.

    Of several with that path or name, the one that went to the trash last.
    """
    place = absolute(to) if to else None

    async def work(session: Session) -> tuple[Node, str]:
        paths = Paths(session.tree, session.profile.root)
        item = await _find(session, paths, what)
        request = Restore()
        if place is not None:
            folder = await session.tree.resolve_or_none(place)
            if folder is not None and folder.kind == "folder":
                request = Restore(parent=folder.id, name=item.name)
            else:
                parent = await session.tree.resolve(folder_of(place))
                request = Restore(parent=parent.id, name=place.rpartition("/")[2])
        node = await session.history.restore(item.node.id, request)
        return node, await paths.of(node)

    _, path = run(work)
    click.echo(f"Restored: {shown(path)}")


async def _find(session: Session, paths: Paths, what: str) -> TrashItem:
    found: list[TrashItem] = []
    wanted = absolute(what) if what.startswith("/") else None
    async for item in session.history.trashed():
        if item.node.id == what:
            return item
        if wanted is not None:
            if wanted.endswith("/" + item.name) and await where_from(paths, item) == wanted:
                found.append(item)
        elif item.name == what:
            found.append(item)
    if not found:
        raise NotFound(f"There is no {shown(what)} in the trash. See: stowbay trash list")
    if wanted is None and len({item.from_parent for item in found}) > 1:
        ids = ", ".join(item.node.id for item in found)
        raise BadRequest(f"Several things called {shown(what)} are in the trash: {ids}")
    return max(found, key=lambda item: item.trashed_at)
