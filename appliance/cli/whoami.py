"""stowbay whoami"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, print_json
from appliance.cli.session import Session, run
from appliance.wire.accounts import Account

__all__ = ["command"]


@click.command("whoami")
@as_json
def command(json: bool) -> None:
    """Who is signed in, and where; asks the server, so it also tells whether the token holds."""

    async def work(session: Session) -> tuple[Account, str]:
        return await session.account.account(), session.profile.url

    account, url = run(work)
    if json:
        print_json({"url": url, "account": account})
    else:
        click.echo(f"{account.login} ({account.role}) on {url}")
