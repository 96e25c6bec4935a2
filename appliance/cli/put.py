"""stowbay put"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click

from appliance.cli import exits
from appliance.cli.printing import print_json, shown
from appliance.cli.progress import Watch
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.cli.transferring import conclude_dry_run, transfer_options
from appliance.client.errors import from_os
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Outcome
from appliance.client.transfer.pace import Pace
from appliance.client.transfer.plan import PutPlan
from appliance.client.transfer.prepare_put import PutOptions, prepare_put
from appliance.client.transfer.upload import carry_out

__all__ = ["command"]


@click.command("put")
@click.argument("locals_", metavar="LOCAL...", nargs=-1, required=True)
@click.argument("remote", metavar="/REMOTE")
@transfer_options(dry_run="send nothing")
@click.option("--checksum", is_flag=True, help="Compare contents, not sizes and mtimes.")
def command(
    locals_: tuple[str, ...],
    remote: str,
    verbose: bool,
    quiet: bool,
    dry_run: bool,
    exclude: tuple[str, ...],
    checksum: bool,
    recursive: bool,
    json: bool,
) -> int:
    """Send files and folders to /REMOTE; LOCAL may be - for standard input.

    Into /REMOTE if that is a folder or ends with a slash; else LOCAL becomes /REMOTE. What is
    there already with the same size and mtime is left alone, so a run that was interrupted or
    that failed for some files is continued by the same command.

    PATTERN without a slash matches names at any depth, with one the path below LOCAL; * and ?
    stop at slashes, ** doesn't, a final slash means folders only.
    """
    del recursive  # folders always are; accepted out of habit
    if "-" in locals_ and (len(locals_) > 1 or remote.endswith("/")):
        raise click.UsageError("Standard input is one file and needs its name: put - /folder/name")
    watch = Watch("put", verbose, quiet, json)
    options = PutOptions(Excludes.parse(exclude), checksum, watch.explain)

    async def work(session: Session, names: tuple[str, ...]) -> PutPlan:
        plan, parents = await prepare_put(session.tree, names, remote, options)
        if dry_run:
            return plan
        for entry, why in plan.same:
            watch.finished(
                Outcome(entry.local, entry.path, entry.kind, "unchanged", entry.size, why)
            )
        for local, problem in plan.failed:
            watch.finished(Outcome(local, "", "", "failed", problem=problem))
        async with Lanes(session.tls, Pace(), watch.moved) as lanes:
            await carry_out(plan, parents, session.uploads, lanes, watch, session.endurance)
            watch.explain(f"{lanes.width} transfers at once at the end")
        return plan

    with _spooled(locals_) as names:
        if dry_run:
            return _show(run(lambda session: work(session, names)), json)
        with watch:
            run(lambda session: work(session, names))
    return watch.conclude()


@contextmanager
def _spooled(locals_: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Standard input as a file: a chunk list is needed before the first byte can be sent."""
    if locals_ != ("-",):
        yield locals_
        return
    try:
        with tempfile.NamedTemporaryFile(prefix="stowbay-stdin-") as file:
            while piece := sys.stdin.buffer.read(1 << 20):
                file.write(piece)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            yield (file.name,)
    except OSError as error:
        raise from_os(error) from error


def _show(plan: PutPlan, json: bool) -> int:
    if json:
        print_json(
            {
                "folders": [entry.path for entry in plan.folders],
                "links": [entry.path for entry in plan.links],
                "files": [
                    {
                        "local": shown(job.entry.local),
                        "path": job.entry.path,
                        "size": job.entry.size,
                        "why": job.why,
                    }
                    for job in plan.files
                ],
                "unchanged": [entry.path for entry, _ in plan.same],
                "failed": [
                    {"local": shown(local), "code": problem.code, "detail": str(problem)}
                    for local, problem in plan.failed
                ],
            }
        )
    else:
        for entry in plan.folders:
            click.echo(f"folder {shown(entry.path)}")
        for entry in plan.links:
            click.echo(f"link   {shown(entry.path)}")
        for job in plan.files:
            click.echo(f"file   {shown(job.entry.path)} ({format_size(job.entry.size)}): {job.why}")
        sizes = [job.entry.size for job in plan.files]
        conclude_dry_run(("send", "sent"), sizes, len(plan.same), plan.failed)
    done = len(plan.files) + len(plan.folders) + len(plan.links) + len(plan.same)
    return exits.of_run([problem for _, problem in plan.failed], done)
