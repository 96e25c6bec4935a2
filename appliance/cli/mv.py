"""stowbay mv"""

from __future__ import annotations

import click

from appliance.cli.placing import places
from appliance.cli.session import Session, run
from appliance.wire.nodes import Move

__all__ = ["command"]


@click.command("mv")
@click.argument("sources", metavar="/SOURCE...", nargs=-1, required=True)
@click.argument("destination", metavar="/DESTINATION")
def command(sources: tuple[str, ...], destination: str) -> None:
    """Move into a folder, or rename. A folder moves at once, whatever is below it."""

    async def work(session: Session) -> None:
        for one in await places(session.tree, sources, destination):
            change = Move(name=one.name, parent=one.parent, rev=one.node.rev)
            await session.tree.move(one.node.id, change)

    run(work)
