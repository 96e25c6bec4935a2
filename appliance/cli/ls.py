"""stowbay ls"""

from __future__ import annotations

from collections.abc import AsyncIterator

import click

from appliance.cli.printing import as_json, document, json_text, long_line, shown
from appliance.cli.session import Session, run
from appliance.client.transfer.prepare_put import absolute
from appliance.client.transfer.snapshot import below
from appliance.client.tree import TreeCalls
from appliance.wire.nodes import Node

__all__ = ["command"]


@click.command("ls")
@click.argument("path", metavar="[/PATH]", default="/")
@click.option("-R", "--recursive", is_flag=True, help="And all below.")
@click.option("-l", "--long", is_flag=True, help="With mode, size and time.")
@as_json
def command(path: str, recursive: bool, long: bool, json: bool) -> None:
    """What a folder holds, in order of names; of a file, the file itself.

    --json is one array; each item has its path, id, kind, size, sha256, mtime and more.
    """
    place = absolute(path)

    async def work(session: Session) -> None:
        node = await session.tree.resolve(place)
        found = _below(session.tree, node, place, recursive)
        first = True
        if json:
            click.echo("[", nl=False)
        async for name, at, child in found:
            if json:
                click.echo("\n" if first else ",\n", nl=False)
                click.echo(json_text(document(child, at)), nl=False)
            else:
                label = at if recursive else name
                mark = "/" if child.kind == "folder" else ""
                click.echo(long_line(child, label) if long else shown(label) + mark)
            first = False
        if json:
            click.echo("\n]")

    run(work)


async def _below(
    tree: TreeCalls, node: Node, path: str, recursive: bool
) -> AsyncIterator[tuple[str, str, Node]]:
    """(name, path, node). Recursive: level by level, so that folders come before their content."""
    if node.kind != "folder":
        yield node.name, path, node
        return
    if not recursive:
        async for child in tree.children(node.id):
            yield child.name, below(path, child.name), child
        return
    level = {node.id: path}
    while level:
        deeper: dict[str, str] = {}
        async for child in tree.listing(list(level)):
            at = below(level[child.parent or ""], child.name)
            yield child.name, at, child
            if child.kind == "folder":
                deeper[child.id] = at
        level = deeper
