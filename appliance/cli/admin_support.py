"""`stowbay-admin support-bundle`: logs, settings, figures and the doctor's answer in one file."""

from __future__ import annotations

import logging
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from appliance.client.errors import LocalFault
from appliance.support.collect import collect
from appliance.telemetry import logs

from .sizes import format_size

__all__ = ["support_bundle"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _time(ctx: click.Context, param: click.Parameter, value: str) -> datetime:
    """30m, 24h, 7d before now, or a time in ISO 8601; one without a zone is UTC."""
    if found := re.fullmatch(r"(\d{1,5})([mhd])", value):
        return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("for example 30m, 24h, 7d or 2026-11-22T18:00") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command("support-bundle")
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="A .tar.gz.")
@click.option(
    "--since", metavar="TIME", callback=_time, default="24h", show_default=True, help="Of logs."
)
@click.option("--no-doctor", is_flag=True, help="Leave the doctor out: it puts and gets a file.")
def support_bundle(output: Path | None, since: datetime, no_doctor: bool) -> None:
    """Collect for support: logs, settings, figures, the doctor's answer; without any secret.

    manifest.json in it says what was taken, what was taken out, and what is missing. It is written
    in one step with mode 0600, and never over another file. As root it sees most.
    """
    logs.configure("error", process="support")
    logging.disable(logging.CRITICAL)
    config = Path(os.environ.get("STOWBAY_CONFIG", "var/config/stowbay.json"))
    if output is None:
        host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().partition(".")[0].lower())
        output = Path(f"stowbay-support-{host}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    try:
        made = collect(config, output, since, doctor=not no_doctor)
    except OSError as error:
        raise LocalFault(f"{output}: {error.strerror or error}") from error
    click.echo(f"{made.path}: {made.files} files, {format_size(made.bytes)}")
    click.echo("Read manifest.json in it before you send it.")
