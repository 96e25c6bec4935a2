"""`stowbay-admin doctor`: what is wrong, what to do, and an exit code that says the worst."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import click
import msgspec

from appliance import settings
from appliance.doctor import host
from appliance.doctor.codes import Level
from appliance.doctor.examination import Options, examine
from appliance.doctor.report import Line, Report
from appliance.telemetry import logs

from .password import password

__all__ = ["doctor"]

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--url", metavar="URL", help="Look from outside at the API there; no settings file.")
@click.option("--ca", metavar="FILE", envvar="STOWBAY_CA", help="Trust this authority, too (PEM).")
@click.option("--user", metavar="LOGIN", help="With --url: an account to put and get a file with.")
@click.option("--password-file", metavar="F", help="Its first line is the password; - for stdin.")
@click.option(
    "--timeout", default=5.0, show_default=True, type=click.FloatRange(1, 60),
    help="Seconds that one answer may take.",
)  # fmt: skip
def doctor(
    as_json: bool,
    url: str | None,
    ca: str | None,
    user: str | None,
    password_file: str | None,
    timeout: float,
) -> None:
    """Look at everything and say what is wrong.

    On a host, or from anywhere with --url. A small file is put and fetched, and removed again. A
    host of a cluster without the settings file tells of its clock, certificates and backups only.
    Exit code: 0 all is well, 3 something to look at, 4 something is broken.
    """
    if (user or password_file) and not (url and user):
        raise click.UsageError("--user and --password-file go with --url")
    if url and not url.startswith("https://"):
        raise click.BadParameter("it begins with https://", param_hint="--url")
    # What libraries and pools say of a part that is down is in the report's own words already.
    logs.configure("critical", process="doctor")
    logging.disable(logging.CRITICAL)
    config = Path(os.environ.get("STOWBAY_CONFIG", "var/config/stowbay.json"))
    options = Options(
        seconds=timeout,
        ca=ca or "",
        url=url or "",
        login=user or "",
        password=password(password_file, "Password") if user else "",
        config=config,
    )
    read = None if url or host.is_alone(config) else settings.load(config)
    report = asyncio.run(examine(read, options))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    sys.exit(report.exit_code)


def _print(report: Report) -> None:
    for each in report.lines:
        level = click.style(f"{each.level:<4}", fg=_COLOURS[each.level])
        click.echo(f"{level}  {each.code:<24} {each.subject}: {each.seen}")
        _print_advice(each)
    for missing in report.unexamined:
        click.echo(f"----  {missing.check:<24} not looked at: {missing.why}")
    counts = ", ".join(
        f"{sum(each.level is level for each in report.lines)} {level}" for level in Level
    )
    click.echo(f"{counts}, {len(report.unexamined)} not looked at; {report.seconds:.1f} s")


def _print_advice(each: Line) -> None:
    if each.todo:
        click.echo(f"      {each.todo}")
    if each.runbook:
        click.echo(f"      {each.runbook}")
