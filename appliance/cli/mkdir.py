"""stowbay mkdir"""

from __future__ import annotations

import time

import click

from appliance.cli.printing import shown
from appliance.cli.session import Session, run
from appliance.client.transfer.commit import Wanted, commit, folder_of
from appliance.client.transfer.prepare_put import absolute
from appliance.client.transfer.walk import Entry
from appliance.client.tree import TreeCalls
from appliance.domain.errors import NameTaken, NotFound

__all__ = ["command"]


@click.command("mkdir")
@click.argument("paths", metavar="/PATH...", nargs=-1, required=True)
@click.option("-p", "--parents", is_flag=True, help="Also those above; no error if it is there.")
def command(paths: tuple[str, ...], parents: bool) -> None:
    """Make folders."""
    places = [absolute(path) for path in paths]

    async def work(session: Session) -> None:
        for place in places:
            await _make(session, place, parents)

    run(work)


async def _make(session: Session, place: str, parents: bool) -> str:
    """Its node."""
    tree: TreeCalls = session.tree
    found = await tree.resolve_or_none(place)
    if found is not None:
        if parents and found.kind == "folder":
            return found.id
        raise NameTaken(f"{shown(place)} is there already, a {found.kind}.")
    above = folder_of(place)
    if parents:
        parent = await _make(session, above, parents=True)
    else:
        node = await tree.resolve_or_none(above)
        if node is None:
            raise NotFound(f"There is no folder {shown(above)}; -p makes it too.")
        parent = node.id
    entry = Entry(place, place, "folder", 0, time.time_ns(), 0o755, None)
    [outcome] = await commit(session.uploads, {above: parent}, [Wanted(entry)])
    if outcome.problem is not None:
        raise outcome.problem
    assert outcome.node is not None
    return outcome.node
