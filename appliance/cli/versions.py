"""stowbay versions"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, print_json, shown, when
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.client.transfer.prepare_put import absolute
from appliance.domain.errors import BadRequest, NotFound
from appliance.wire.nodes import Version

__all__ = ["command"]


@click.command("versions")
@click.argument("path", metavar="/PATH")
@click.option("--restore", metavar="ID", help="Make this version the current one, by id or number.")
@as_json
def command(path: str, restore: str | None, json: bool) -> None:
    """What a file was before, newest first. The present one becomes a version itself when an
    older one is restored, so nothing is lost. stowbay get --version fetches one."""
    place = absolute(path)

    async def work(session: Session) -> list[Version]:
        node = await session.tree.resolve(place)
        if node.kind != "file":
            raise BadRequest(f"{shown(place)} is a {node.kind}; only files have versions.")
        found = [version async for version in session.history.versions(node.id)]
        if restore is not None:
            chosen = _choose(found, restore, place)
            await session.history.restore_version(node.id, chosen, node.version)
            found = [version async for version in session.history.versions(node.id)]
        return found

    found = run(work)
    if json:
        print_json(found)
        return
    for number, version in enumerate(found, 1):
        mark = "  (current)" if version.current else ""
        click.echo(
            f"{number:>3}  {version.id}  {when(version.created_at)}  "
            f"{format_size(version.size):>10}  {shown(version.device)}{mark}"
        )


def _choose(found: list[Version], wanted: str, place: str) -> str:
    for number, version in enumerate(found, 1):
        if wanted in (version.id, str(number)):
            return version.id
    raise NotFound(f"{shown(place)} has no version {wanted}. List them: stowbay versions")
