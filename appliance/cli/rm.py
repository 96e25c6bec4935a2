"""stowbay rm"""

from __future__ import annotations

import click

from appliance.cli import exits
from appliance.cli.printing import shown
from appliance.cli.session import Session, run
from appliance.client.transfer.prepare_put import absolute
from appliance.domain.errors import BadRequest, Problem

__all__ = ["command"]


@click.command("rm")
@click.argument("paths", metavar="/PATH...", nargs=-1, required=True)
@click.option("--permanent", is_flag=True, help="For good, not to the trash.")
@click.option("-r", "-R", "--recursive", is_flag=True, help="With --permanent: folders too.")
def command(paths: tuple[str, ...], permanent: bool, recursive: bool) -> int:
    """Move to the trash, folders with all below: stowbay restore brings it back."""
    places = [absolute(path) for path in paths]

    async def remove(session: Session, place: str) -> None:
        if place == "/":
            raise BadRequest("The root itself can't be removed.")
        node = await session.tree.resolve(place)
        if not permanent:
            await session.tree.trash(node.id, node.rev)
            return
        if node.kind == "folder" and not recursive:
            raise BadRequest(f"{shown(place)} is a folder; -r deletes it for good, with all below.")
        await session.tree.purge(node.id, node.rev)

    async def work(session: Session) -> list[Problem]:
        failed: list[Problem] = []
        for place in places:
            try:
                await remove(session, place)
            except Problem as problem:
                click.echo(f"stowbay: {problem} [{problem.code}]", err=True)
                failed.append(problem)
        return failed

    failed = run(work)
    return exits.of_run(failed, len(places) - len(failed))
