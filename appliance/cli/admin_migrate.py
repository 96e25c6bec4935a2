"""`stowbay-admin migrate`: every database of the settings gets the schema of this release."""

from __future__ import annotations

import sys

import click

from appliance import settings
from appliance.store.migrate import CannotMigrate, migrate, pending

__all__ = ["migrate_all"]


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only print what would be applied.")
def migrate_all(dry_run: bool) -> None:
    """Apply the migrations that each database lacks; harmless when there are none.

    Migrations are safe beside the previous release: run this before its processes are replaced.
    """
    failed = False
    for database in settings.load().databases:
        work = pending if dry_run else migrate
        try:
            names = work(database.write_dsn)
        except CannotMigrate as error:
            # The other databases get theirs all the same.
            click.echo(f"stowbay-admin: {database.name}: {error}", err=True)
            failed = True
            continue
        for name in names:
            click.echo(f"{database.name}: {'lacks' if dry_run else 'applied'} {name}")
        if not names:
            click.echo(f"{database.name}: up to date")
    if failed:
        sys.exit(1)
