"""`stowbay-admin keys`: the key ring that signs download tickets."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance import settings
from appliance.edge import keyring

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Keys of download tickets: list, show the public halves, rotate."""


@keys.command("list")
def list_() -> None:
    """The keys of the ring and when each signs; private halves are never shown."""
    now = time.time()
    ring = keyring.load(Path(settings.load().ticket_keyring))
    signing = ring.signing_key(now).kid
    for key in ring.keys:
        state = "signs" if key.kid == signing else "published" if key.sign_from > now else "overlap"
        until = "" if key.retire_at is None else f", retires {_stamp(key.retire_at)}"
        click.echo(f"{key.kid}  {state:<9}  signs from {_stamp(key.sign_from)}{until}")


@keys.command()
@click.option("--keyring", "keyring_file", metavar="F", help="Default: that of the settings.")
def public(keyring_file: str | None) -> None:
    """What the edges must know, as one JSON object: key id and public point of each key."""
    path = keyring_file or settings.load().ticket_keyring
    click.echo(json.dumps(keyring.load(Path(path)).public_keys(time.time()), indent=2))


@keys.command()
@click.option(
    "--publish-seconds",
    default=60,
    show_default=True,
    help="Time for every edge to learn the new public key before it signs.",
)
def rotate(publish_seconds: int) -> None:
    """Add a key; the edges must be given its public half within the time printed."""
    config = settings.load()
    path = Path(config.ticket_keyring)
    now = int(time.time())
    old = keyring.load(path)
    new = old.rotate(
        now,
        kid=secrets.token_hex(4),
        publish_seconds=publish_seconds,
        longest_ticket_seconds=config.limits.ticket_seconds,
    )
    if new is old:
        raise click.ClickException("a rotation is under way: wait until its key signs")
    new.save(path)
    click.echo(f"added {new.keys[-1].kid}, signs from {_stamp(new.keys[-1].sign_from)}")
    click.echo("Publish it now: python -m appliance.machine nginx-reload (one machine).")


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
