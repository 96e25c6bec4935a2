"""stowbay trash"""

from __future__ import annotations

import sys

import click

from appliance.cli.find import Paths
from appliance.cli.printing import as_json, json_text, shown, when
from appliance.cli.session import Session, run
from appliance.client.transfer.snapshot import below
from appliance.domain.errors import Problem
from appliance.wire.nodes import TrashItem

__all__ = ["command", "where_from"]


@click.group("trash", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """What is in the trash; empty it. Bring things back with stowbay restore."""
    if context.invoked_subcommand is None:
        context.invoke(show, json=False)


@command.command("list")
@as_json
def show(json: bool) -> None:
    """What is in the trash: id, when it went there, where it was."""

    async def work(session: Session) -> None:
        paths = Paths(session.tree, session.profile.root)
        first = True
        if json:
            click.echo("[", nl=False)
        async for item in session.history.trashed():
            path = await where_from(paths, item)
            if json:
                click.echo("\n" if first else ",\n", nl=False)
                entry = {
                    "id": item.node.id,
                    "name": item.name,
                    "path": path,
                    "kind": item.node.kind,
                    "size": item.node.size,
                    "trashed_at": item.trashed_at,
                }
                click.echo(json_text(entry), nl=False)
            else:
                click.echo(f"{item.node.id}  {when(item.trashed_at)}  {shown(path or item.name)}")
            first = False
        if json:
            click.echo("\n]")

    run(work)


@command.command("empty")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
def empty(yes: bool) -> None:
    """Delete for good what is in the trash."""
    if not yes and sys.stdin.isatty():
        click.confirm("Delete everything in the trash for good?", abort=True)

    async def work(session: Session) -> None:
        await session.history.empty_trash()

    run(work)
    click.echo("The trash is being emptied.")


async def where_from(paths: Paths, item: TrashItem) -> str | None:
    """None: the folder it was in is gone."""
    try:
        return below(await paths.of_folder(item.from_parent), item.name)
    except Problem:
        return None
