"""`stowbay-admin store`: what Ansible runs on a store's host, with the plan on standard input.

The plan (appliance.objects.plan) holds all that is needed: no settings file is read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import click
import msgspec

from appliance.domain.errors import StoreUnavailable
from appliance.objects.plan import StorePlan
from appliance.objects.policies import ROLES, seaweed_identities
from appliance.objects.provision import follow, is_followed

__all__ = ["store"]

T = TypeVar("T")

_POLL = 1.0


@click.group()
def store() -> None:
    """The object store: bucket, rights, encryption. A plan in JSON comes by standard input."""


@store.command()
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for the store.")
def check(wait: float) -> None:
    """Print `current`, or `differs` when the plan was never followed or has changed since."""
    plan = _plan()
    current = _patiently(lambda: is_followed(plan), wait)
    click.echo("current" if current else "differs")


@store.command()
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for the store.")
def provision(wait: float) -> None:
    """Make bucket, encryption, users and rights as planned. The root credential must be on."""
    plan = _plan()
    _patiently(lambda: follow(plan), wait)
    click.echo(f"provisioned {plan.bucket}")


@store.command()
@click.option("--with-root", is_flag=True, help="For as long as `provision` needs it.")
def identities(with_root: bool) -> None:
    """Print the identities file that SeaweedFS reads; it holds secrets."""
    plan = _plan()
    root = plan.root if with_root else None
    click.echo(seaweed_identities(plan.bucket, plan.credentials, root, plan.edge_sources))


def _plan() -> StorePlan:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=StorePlan)
    missing = set(ROLES) - set(plan.credentials)
    if missing:
        raise click.UsageError(f"the plan has no credential for {', '.join(sorted(missing))}")
    return plan


def _patiently(work: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except StoreUnavailable as error:
            if time.monotonic() > deadline:
                # For the operator the store's own words, which users never see.
                raise click.ClickException(f"{error}: {error.__cause__}") from error
        time.sleep(_POLL)
