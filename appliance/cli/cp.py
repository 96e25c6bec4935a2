"""stowbay cp"""

from __future__ import annotations

import click

from appliance.cli.placing import places
from appliance.cli.session import Session, run
from appliance.wire.nodes import Copy

__all__ = ["command"]


@click.command("cp")
@click.argument("sources", metavar="/SOURCE...", nargs=-1, required=True)
@click.argument("destination", metavar="/DESTINATION")
@click.option("-r", "-R", "--recursive", is_flag=True, hidden=True)
def command(sources: tuple[str, ...], destination: str, recursive: bool) -> None:
    """Copy inside the space, folders with all below. No byte moves, and none is used twice."""
    del recursive  # folders always are; accepted out of habit

    async def work(session: Session) -> None:
        for one in await places(session.tree, sources, destination):
            await session.tree.copy(one.node.id, Copy(parent=one.parent, name=one.name))

    run(work)
