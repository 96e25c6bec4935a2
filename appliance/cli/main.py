"""`stowbay`: one file per verb, loaded when it is asked for; errors and exit codes end here."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from appliance import __version__
from appliance.cli import exits
from appliance.cli.output import buffer_stdout
from appliance.domain.errors import Problem

__all__ = ["main", "stowbay"]

VERBS: dict[str, str] = {
    "login": "Sign in to a server.",
    "logout": "Sign out; the server forgets this device.",
    "whoami": "Who is signed in, and where.",
    "passwd": "Change one's password; other devices are signed out.",
    "devices": "Where one is signed in; sign others out.",
    "put": "Send files and folders.",
    "get": "Fetch files and folders.",
    "ls": "What a folder holds.",
    "find": "Find by name.",
    "cat": "Write a file to standard output.",
    "stat": "All about one file or folder.",
    "mkdir": "Make folders.",
    "mv": "Move or rename.",
    "cp": "Copy inside the space; no byte moves.",
    "rm": "Move to the trash, or delete for good.",
    "trash": "What is in the trash; empty it.",
    "restore": "Bring back from the trash.",
    "versions": "What a file was before; restore one.",
    "uploads": "Unfinished uploads; abort them.",
    "usage": "Space used and left.",
}


class _Verbs(click.Group):
    """Help needs no verb's module, and a verb loads only its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"appliance.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="stowbay")
def stowbay() -> None:
    """Files in one's space on a Stowbay server. Remote paths begin with a slash."""


def main(arguments: list[str] | None = None) -> None:
    buffer_stdout()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    if code == exits.INTERRUPTED:
        # Threads may sit in a network call; what they do can be resumed.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = stowbay.main(arguments, prog_name="stowbay", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstowbay: interrupted. Run the same command again to go on.", err=True)
        return exits.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        problem = exits.first_problem(error)
        if problem is None:
            raise
        click.echo(f"stowbay: {describe(problem)}", err=True)
        return exits.of(problem.code)
    return result if isinstance(result, int) else exits.OK


def describe(problem: Problem) -> str:
    """What happened, its stable code, and where the server's log has more."""
    text = str(problem).rstrip()
    request = problem.extra.get("request_id")
    mark = f" [{problem.code}]" if problem.code != "internal" else ""
    log = f" (request {request})" if request and problem.code in ("internal", "protocol") else ""
    return f"{text}{mark}{log}"
