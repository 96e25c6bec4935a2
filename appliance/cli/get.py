"""stowbay get"""

from __future__ import annotations

import click

from appliance.cli import exits
from appliance.cli.printing import print_json, shown
from appliance.cli.progress import Watch
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.cli.transferring import conclude_dry_run, transfer_options
from appliance.client.transfer.download import Download
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Outcome
from appliance.client.transfer.pace import Pace
from appliance.client.transfer.prepare_get import GetOptions, prepare_get
from appliance.client.transfer.pull_plan import PullPlan

__all__ = ["command"]


@click.command("get")
@click.argument("remotes", metavar="/REMOTE...", nargs=-1, required=True)
@click.argument("local", metavar="LOCAL")
@transfer_options(dry_run="fetch nothing")
@click.option("--version", metavar="ID", help="An older version of one file: its id or number.")
def command(
    remotes: tuple[str, ...],
    local: str,
    verbose: bool,
    quiet: bool,
    dry_run: bool,
    exclude: tuple[str, ...],
    version: str | None,
    recursive: bool,
    json: bool,
) -> int:
    """Fetch files and folders to LOCAL: into it if it is a folder or ends with a slash.

    Every chunk is checked as it arrives; a file appears under its name when it is whole, with its
    mtime and mode. What is here already with the same size and mtime is left alone, and what an
    interrupted run fetched (.NAME.stowbay-part) is kept by the same command.
    """
    del recursive  # folders always are; accepted out of habit
    watch = Watch("get", verbose, quiet, json)
    options = GetOptions(Excludes.parse(exclude), version, watch.explain)

    async def work(session: Session) -> PullPlan:
        plan = await prepare_get(session.tree, session.history, remotes, local, options)
        if dry_run:
            return plan
        for remote, why in plan.same:
            node = remote.node
            watch.finished(
                Outcome(remote.local, remote.path, node.kind, "unchanged", node.size, why)
            )
        for remote, problem in plan.failed:
            kind = remote.node.kind
            watch.finished(Outcome(remote.local, remote.path, kind, "failed", problem=problem))
        async with Lanes(session.tls, Pace(), watch.moved) as lanes:
            await Download(session.blobs, lanes, watch, session.endurance).carry_out(plan)
            watch.explain(f"{lanes.width} transfers at once at the end")
        return plan

    if dry_run:
        return _show(run(work), json)
    with watch:
        run(work)
    return watch.conclude()


def _show(plan: PullPlan, json: bool) -> int:
    if json:
        print_json(
            {
                "folders": [shown(remote.local) for remote in plan.folders],
                "links": [shown(remote.local) for remote in plan.links],
                "files": [
                    {
                        "path": job.remote.path,
                        "local": shown(job.remote.local),
                        "size": job.remote.node.size,
                        "why": job.why,
                    }
                    for job in plan.files
                ],
                "unchanged": [shown(remote.local) for remote, _ in plan.same],
                "failed": [
                    {"path": remote.path, "code": problem.code, "detail": str(problem)}
                    for remote, problem in plan.failed
                ],
            }
        )
    else:
        for job in plan.files:
            size = format_size(job.remote.node.size)
            click.echo(f"file   {shown(job.remote.local)} ({size}): {job.why}")
        conclude_dry_run(
            ("fetch", "fetched"),
            [job.remote.node.size for job in plan.files],
            len(plan.same),
            [(remote.path, problem) for remote, problem in plan.failed],
        )
    done = len(plan.files) + len(plan.folders) + len(plan.links) + len(plan.same)
    return exits.of_run([problem for _, problem in plan.failed], done)
