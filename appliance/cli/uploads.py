"""stowbay uploads"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, print_json, when
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.wire.uploads import Upload

__all__ = ["command"]


@click.group("uploads", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Uploads that were begun and not finished; putting the same file again resumes them."""
    if context.invoked_subcommand is None:
        context.invoke(show, json=False)


@command.command("list")
@as_json
def show(json: bool) -> None:
    """Id, what has arrived, size, when it expires."""

    async def work(session: Session) -> list[Upload]:
        return [upload async for upload in session.uploads.open()]

    found = run(work)
    if json:
        print_json(found)
        return
    for one in found:
        arrived = one.parts - len(one.missing)
        click.echo(
            f"{one.id}  {one.state}, {arrived} of {one.parts} parts, {format_size(one.size)}, "
            f"expires {when(one.expires_at)}"
        )


@command.command("abort")
@click.argument("ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def abort(ids: tuple[str, ...], everything: bool) -> None:
    """Give up uploads: what has arrived is deleted, what was reserved is free again."""
    if bool(ids) == everything:
        raise click.UsageError("Name the uploads, or say --all.")

    async def work(session: Session) -> int:
        chosen = list(ids)
        if everything:
            chosen = [upload.id async for upload in session.uploads.open()]
        for upload in chosen:
            await session.uploads.abort(upload)
        return len(chosen)

    click.echo(f"Aborted: {run(work)}")
