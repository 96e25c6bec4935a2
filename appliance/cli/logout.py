"""stowbay logout"""

from __future__ import annotations

import os

import click

from appliance.cli.session import Session, run
from appliance.client import profile
from appliance.domain.errors import Unauthorized

__all__ = ["command"]


@click.command("logout")
def command() -> None:
    """Sign out: the token is revoked and the profile removed."""

    async def work(session: Session) -> None:
        try:
            await session.account.sign_out()
        except Unauthorized:
            click.echo("The token had already been revoked or had expired.", err=True)

    run(work)
    profile.forget(profile.directory(os.environ))
    click.echo("Signed out.")
