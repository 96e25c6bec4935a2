"""What `put` and `get` have in common: their options, and what a dry run ends with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from appliance.cli.printing import as_json, shown
from appliance.cli.sizes import format_size
from appliance.domain.errors import Problem

__all__ = ["conclude_dry_run", "transfer_options"]

F = TypeVar("F", bound=Callable[..., Any])


def transfer_options(dry_run: str) -> Callable[[F], F]:
    """`dry_run`: what isn't done then. Gives verbose, quiet, dry_run, exclude, recursive, json."""

    def decorate(command: F) -> F:
        for option in (
            as_json,
            click.option("-r", "-R", "--recursive", is_flag=True, hidden=True),
            click.option(
                "--exclude", metavar="PATTERN", multiple=True, help="Leave out; may be repeated."
            ),
            click.option(
                "-n", "--dry-run", is_flag=True, help=f"Show what would be done, and {dry_run}."
            ),
            click.option("-q", "--quiet", is_flag=True, help="Say nothing but what failed."),
            click.option(
                "-v", "--verbose", is_flag=True, help="Say what is done with each file, and why."
            ),
        ):
            command = option(command)
        return command

    return decorate


def conclude_dry_run(
    words: tuple[str, str],
    sizes: Sequence[int],
    same: int,
    failed: Sequence[tuple[str, Problem]],
) -> None:
    """`words`: send and sent, or so; `sizes`: of the files that would be moved."""
    would, moved = words
    click.echo(
        f"would {would} {len(sizes)} files ({format_size(sum(sizes))}), "
        f"{same} unchanged, {len(failed)} can't be {moved}"
    )
    for name, problem in failed:
        click.echo(f"failed: {shown(name)}: {problem} [{problem.code}]", err=True)
