"""stowbay login"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvloop

from appliance.cli.password import password
from appliance.cli.session import endurance
from appliance.client import profile
from appliance.client.accounts import AccountCalls
from appliance.client.api import Api
from appliance.client.errors import LocalFault, from_os
from appliance.client.tree import TreeCalls
from appliance.wire.accounts import Session, SignIn

__all__ = ["command"]


@click.command("login")
@click.argument("url", envvar="STOWBAY_URL")
@click.option("--user", help="Login name; asked for when absent.")
@click.option("--password-file", help="Its first line is the password; - for stdin.")
@click.option(
    "--ca", envvar="STOWBAY_CA", help="PEM file of the CA to trust for this server [$STOWBAY_CA]."
)
@click.option("--device", help="Name of this device in the list of devices.")
def command(
    url: str, user: str | None, password_file: str | None, ca: str | None, device: str | None
) -> None:
    """Sign in to the server at URL, e.g. https://files.example.com

    The token is kept in ~/.config/stowbay (or $STOWBAY_PROFILE), readable by you alone.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise click.BadParameter("it begins with https:// and names a host", param_hint="URL")
    base = f"https://{parts.netloc}"
    pem = _read(ca) if ca else None
    login = user or str(click.prompt("User"))
    request = SignIn(
        login=login,
        password=password(password_file, "Password"),
        device=(device or platform.node() or "unnamed")[:100],
    )
    session, root = uvloop.run(_sign_in(base, pem, request))
    place = profile.directory(os.environ)
    account = session.account
    profile.save(
        place,
        profile.Profile(
            url=base,
            login=account.login,
            space=account.space,
            root=root,
            token=session.token,
            ca=pem,
        ),
    )
    click.echo(f"Signed in to {base} as {account.login}.")


async def _sign_in(base: str, pem: str | None, request: SignIn) -> tuple[Session, str]:
    tls = profile.context(pem)
    async with Api(base, tls, endurance=endurance()) as api:
        session = await AccountCalls(api).sign_in(request)
    async with Api(base, tls, endurance=endurance(), token=session.token) as api:
        space = await TreeCalls(api, session.account.space).space()
    return session, space.root


def _read(file: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except OSError as error:
        raise from_os(error, file) from error
    except UnicodeDecodeError:
        raise LocalFault(f"{file} isn't text.") from None
