"""Passwords come by a file's first line or from a terminal, never on the command line.

One rule for `stowbay` and `stowbay-admin`: a file that signs in is one that sets the password.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.client.errors import LocalFault, from_os, printable

__all__ = ["password"]


def password(file: str | None, prompt: str, *, twice: bool = False) -> str:
    """`file`: `-` is standard input, of which a second call takes the second line; without one it
    is asked for. Raises LocalFault for a file that can't be read, UsageError without a terminal.
    """
    if file is not None:
        return _first_line(file).removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the password; use --password-file.")
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=twice))


def _first_line(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.readline()
        with Path(file).open(encoding="utf-8", newline="\n") as opened:
            return opened.readline()
    except OSError as error:
        raise from_os(error, file) from error
    except UnicodeDecodeError:
        raise LocalFault(f"{printable(file)} isn't text.") from None
