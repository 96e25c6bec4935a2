"""`stowbay-admin` as an operator types it, and what users notice of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import protocol as p
from .instance import Instance, User


def _listed(instance: Instance, user: User) -> dict[str, Any]:
    users = json.loads(instance.admin_command("user", "list", "--json"))
    (found,) = [one for one in users if one["login"] == user.login]
    return dict(found)


def _account(user: User) -> tuple[int, str | None]:
    reply = user.call("GET", "/api/v1/account")
    return reply.status, reply.json.get("code")


def _sign_in(instance: Instance, login: str, password: str) -> tuple[int, str | None]:
    body = {"login": login, "password": password}
    reply = instance.call("POST", "/api/v1/session", body)
    return reply.status, reply.json.get("code")


def test_suspended_at_once_and_resumed(instance: Instance, user: User) -> None:
    node = p.stored(user, "kept", b"content")["node"]
    assert _account(user) == (200, None)
    assert user.login in instance.admin_command("user", "suspend", user.login)
    assert _account(user) == (403, "suspended")
    assert user.call("GET", f"/api/v1/nodes/{node}/content").status == 403
    assert _sign_in(instance, user.login, user.password)[0] == 403
    shown = _listed(instance, user)
    assert (shown["suspended"], shown["used_bytes"]) == (True, 7)
    assert f"{user.login:<32} user   suspended" in instance.admin_command("user", "list")
    instance.admin_command("user", "resume", user.login)
    assert _sign_in(instance, user.login, user.password)[0] == 201
    assert _account(user) == (200, None)
    assert p.fetched(user, node) == b"content"
    assert _listed(instance, user)["suspended"] is False


def test_a_quota(instance: Instance, user: User) -> None:
    p.stored(user, "first", p.content(900))
    assert user.login in instance.admin_command("user", "quota", user.login, "1K")
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["quota_bytes"] == 1024
    assert _listed(instance, user)["quota_bytes"] == 1024
    (refused,) = p.begin(user, p.content(900))
    assert (refused["status"], refused["code"]) == ("error", "quota-exceeded")
    instance.admin_command("user", "quota", user.login, "2K")
    p.stored(user, "second", p.content(900))
    assert _listed(instance, user)["used_bytes"] == 1800


def test_a_new_password_signs_every_device_out(instance: Instance, user: User) -> None:
    assert _account(user) == (200, None)
    new = "quite another password"
    told = instance.admin_command(
        "user", "password", user.login, "--password-file", "-", input=new + "\n"
    )
    assert new not in told
    assert _account(user) == (401, "unauthorized")
    assert _sign_in(instance, user.login, user.password)[0] == 401
    assert _sign_in(instance, user.login, new)[0] == 201


def test_adding_who_is_there(instance: Instance, user: User, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("a password that stays unused\n")
    add = ("user", "add", user.login, "--password-file", str(other))
    assert instance.admin_command(*add, "--if-missing").strip() == f"{user.login} exists"
    with pytest.raises(AssertionError, match=r": 1\nstowbay-admin: .*"):
        instance.admin_command(*add)
    assert _account(user) == (200, None), "the password that was there still counts"
    assert _sign_in(instance, user.login, user.password)[0] == 201
    with pytest.raises(AssertionError, match="not-found"):
        instance.admin_command("user", "suspend", "nobody-of-this-name")


def test_a_login_that_a_doctor_would_remove(instance: Instance) -> None:
    with pytest.raises(AssertionError, match=r": 1\nstowbay-admin: .*\(bad-request\)"):
        instance.admin_command(
            "user",
            "add",
            "Stowbay-Doctor-here",
            "--password-file",
            "-",
            input="quite long a word\n",
        )


def test_an_admin_and_a_quota_from_the_start(instance: Instance, tmp_path: Path) -> None:
    boss = instance.user(tmp_path, "--admin", "--quota", "3M", "--if-missing")
    assert boss.call("GET", "/api/v1/account").json["role"] == "admin"
    shown = _listed(instance, boss)
    assert (shown["role"], shown["quota_bytes"], shown["used_bytes"]) == ("admin", 3 << 20, 0)
