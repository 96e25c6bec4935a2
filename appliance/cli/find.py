"""stowbay find"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, document, json_text, long_line, shown
from appliance.cli.session import Session, run
from appliance.client.errors import Protocol
from appliance.client.transfer.snapshot import below
from appliance.client.tree import TreeCalls
from appliance.wire.nodes import Node

__all__ = ["Paths", "command"]


@click.command("find")
@click.argument("text")
@click.option("-l", "--long", is_flag=True, help="With mode, size and time.")
@as_json
def command(text: str, long: bool, json: bool) -> None:
    """Find files, folders and links whose name contains TEXT, whatever its case."""

    async def work(session: Session) -> None:
        paths = Paths(session.tree, session.profile.root)
        first = True
        if json:
            click.echo("[", nl=False)
        async for node in session.tree.find(text):
            path = await paths.of(node)
            if json:
                click.echo("\n" if first else ",\n", nl=False)
                click.echo(json_text(document(node, path)), nl=False)
            else:
                mark = "/" if node.kind == "folder" else ""
                click.echo(long_line(node, path) if long else shown(path) + mark)
            first = False
        if json:
            click.echo("\n]")

    run(work)


class Paths:
    """Paths of nodes found by id; each folder is asked for once."""

    def __init__(self, tree: TreeCalls, root: str) -> None:
        self._tree = tree
        self._known: dict[str, str] = {root: "/"}

    async def of(self, node: Node) -> str:
        if node.id in self._known:
            return self._known[node.id]
        return below(await self.of_folder(node.parent), node.name)

    async def of_folder(self, id: str | None) -> str:
        above: list[Node] = []
        while id is not None and id not in self._known:
            if len(above) > 10_000:
                raise Protocol("The server gave folders that hold each other.")
            above.append(await self._tree.node(id))
            id = above[-1].parent
        path = self._known.get(id or "", "/")
        for node in reversed(above):
            path = self._known[node.id] = below(path, node.name)
        return path
