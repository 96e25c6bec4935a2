"""stowbay usage"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, print_json
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.wire.nodes import Space

__all__ = ["command"]


@click.command("usage")
@as_json
def command(json: bool) -> None:
    """Space used and left. What is stored once counts once, versions and trash included."""

    async def work(session: Session) -> Space:
        return await session.tree.space()

    space = run(work)
    if json:
        print_json(space)
        return
    left = max(space.quota_bytes - space.used_bytes - space.reserved_bytes, 0)
    for label, size in (
        ("quota", space.quota_bytes),
        ("used", space.used_bytes),
        ("in versions", space.version_bytes),
        ("in the trash", space.trash_bytes),
        ("reserved", space.reserved_bytes),
        ("left", left),
    ):
        click.echo(f"{label:>13}  {format_size(size)}")
