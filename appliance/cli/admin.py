"""`stowbay-admin`: what the operator does on a host that has the settings file."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import click
import msgspec

from appliance import __version__, settings
from appliance.cli.output import buffer_stdout
from appliance.client.errors import LocalFault
from appliance.doctor.account import LOGIN_PREFIX
from appliance.domain.errors import BadRequest, Conflict, Problem
from appliance.services.users import UserInfo, Users
from appliance.wiring import wire

from .admin_doctor import doctor
from .admin_keys import keys
from .admin_migrate import migrate_all
from .admin_store import store
from .admin_support import support_bundle
from .password import password as password_of
from .sizes import format_size, parse_size

__all__ = ["main"]

T = TypeVar("T")


def _with_users(work: Callable[[Users], Awaitable[T]]) -> T:
    async def run() -> T:
        async with wire(settings.load()) as services:
            return await work(services.users)

    return asyncio.run(run())


def _document(info: UserInfo) -> dict[str, Any]:
    return {
        "login": info.login,
        "role": info.role,
        "suspended": info.suspended_at is not None,
        "created_at": info.created_at.isoformat(),
        "used_bytes": info.used_bytes,
        "quota_bytes": info.quota_bytes,
        "versions_kept": info.versions_kept,
    }


@click.group()
@click.version_option(__version__, prog_name="stowbay-admin")
def admin() -> None:
    """Operate Stowbay. Settings come from the file that STOWBAY_CONFIG names."""


admin.add_command(doctor)
admin.add_command(keys)
admin.add_command(migrate_all)
admin.add_command(store)
admin.add_command(support_bundle)


@admin.group()
def user() -> None:
    """Accounts: add, list, suspend, resume, quota, versions, password."""


@user.command()
@click.argument("login")
@click.option("--password-file", metavar="F", help="Its first line is the password; - for stdin.")
@click.option("--admin", "is_admin", is_flag=True, help="Give the role admin.")
@click.option("--quota", metavar="SIZE", help="For example 50G; default from the settings.")
@click.option("--if-missing", is_flag=True, help="Succeed when the login exists already.")
def add(
    login: str, password_file: str | None, is_admin: bool, quota: str | None, if_missing: bool
) -> None:
    """Add a user with a personal space."""
    if login.casefold().startswith(LOGIN_PREFIX):
        raise BadRequest(f"{LOGIN_PREFIX}… is for accounts that the doctor makes and removes.")
    password = password_of(password_file, "Password", twice=True)
    role = "admin" if is_admin else "user"
    size = None if quota is None else parse_size(quota)

    async def work(users: Users) -> None:
        try:
            await users.add(login, password, role=role, quota=size)
        except Conflict:
            if not if_missing:
                raise
            click.echo(f"{login} exists")
        else:
            click.echo(f"added {login}")

    _with_users(work)


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_(as_json: bool) -> None:
    """All users with role, state, use and quota."""
    infos = _with_users(lambda users: users.list())
    if as_json:
        click.echo(json.dumps([_document(info) for info in infos], indent=2))
        return
    for info in infos:
        state = "suspended" if info.suspended_at else "active"
        used = f"{format_size(info.used_bytes)} of {format_size(info.quota_bytes)}"
        click.echo(f"{info.login:<32} {info.role:<6} {state:<10} {used}")


@user.command()
@click.argument("login")
def suspend(login: str) -> None:
    """Refuse every call of the user, at once; nothing is deleted."""
    _with_users(lambda users: users.suspend(login))
    click.echo(f"suspended {login}")


@user.command()
@click.argument("login")
def resume(login: str) -> None:
    """Undo suspend."""
    _with_users(lambda users: users.suspend(login, resume=True))
    click.echo(f"resumed {login}")


@user.command()
@click.argument("login")
@click.argument("size")
def quota(login: str, size: str) -> None:
    """Set the quota of the user's space, for example 50G."""
    wanted = parse_size(size)
    info = _with_users(lambda users: users.quota(login, wanted))
    click.echo(f"{login}: {format_size(info.used_bytes)} of {format_size(info.quota_bytes)}")


@user.command()
@click.argument("login")
@click.argument("count", type=int, metavar="N")
def versions(login: str, count: int) -> None:
    """Keep N versions of each of the user's files, the current one counted."""
    info = _with_users(lambda users: users.versions(login, count))
    click.echo(f"{login}: {info.versions_kept} versions of each file")


@user.command()
@click.argument("login")
@click.option("--password-file", metavar="F", help="Its first line is the password; - for stdin.")
def password(login: str, password_file: str | None) -> None:
    """Set a new password and sign every device out."""
    new = password_of(password_file, "New password", twice=True)
    _with_users(lambda users: users.set_password(login, new))
    click.echo(f"new password set for {login}; all devices are signed out")


def main() -> None:
    """Exit codes: 0 done, 1 refused (the message says why), 2 wrong usage or settings; the doctor
    has two more (docs/reference/admin.md)."""
    buffer_stdout()
    with suppress(BrokenPipeError):
        try:
            admin(prog_name="stowbay-admin")
        except Problem as problem:
            click.echo(f"stowbay-admin: {problem} ({problem.code})", err=True)
            sys.exit(2 if isinstance(problem, LocalFault) else 1)
        except FileNotFoundError as error:
            click.echo(f"stowbay-admin: {error.filename} does not exist", err=True)
            sys.exit(2)
        except msgspec.DecodeError as error:
            click.echo(f"stowbay-admin: the settings are wrong: {error}", err=True)
            sys.exit(2)
