"""stowbay passwd"""

from __future__ import annotations

import click

from appliance.cli.password import password
from appliance.cli.session import Session, run
from appliance.wire.accounts import NewPassword

__all__ = ["command"]


@click.command("passwd")
@click.option("--password-file", help="Its first line is the present password; - for stdin.")
@click.option("--new-password-file", help="Its first line is the new one; - for stdin.")
def command(password_file: str | None, new_password_file: str | None) -> None:
    """Change one's password. This device stays signed in, all others are signed out."""
    request = NewPassword(
        old=password(password_file, "Present password"),
        new=password(new_password_file, "New password", twice=True),
    )

    async def work(session: Session) -> None:
        await session.account.change_password(request)

    run(work)
    click.echo("The password is changed; other devices are signed out.")
