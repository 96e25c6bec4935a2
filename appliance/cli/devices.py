"""stowbay devices"""

from __future__ import annotations

import click

from appliance.cli.printing import as_json, print_json, shown, when
from appliance.cli.session import Session, run
from appliance.wire.accounts import Devices

__all__ = ["command"]


@click.command("devices")
@click.option("--revoke", metavar="ID", help="Sign this device out.")
@as_json
def command(revoke: str | None, json: bool) -> None:
    """The devices that are signed in: name, since when, last used."""

    async def work(session: Session) -> Devices:
        if revoke is not None:
            await session.account.revoke(revoke)
        return await session.account.devices()

    devices = run(work)
    if json:
        print_json(devices.items)
        return
    for one in devices.items:
        mark = "  (this one)" if one.current else ""
        click.echo(
            f"{one.id}  {shown(one.device)}, since {when(one.created_at)}, "
            f"used {when(one.used_at)}{mark}"
        )
