"""How many versions of a file stay is the operator's choice, per user."""

from __future__ import annotations

import json

from . import protocol as p
from .instance import Instance, User


def _sizes(user: User, node: str) -> list[int]:
    listed = user.call("GET", f"/api/v1/nodes/{node}/versions").json["items"]
    return [item["size"] for item in listed]


def _next(user: User, base: str, data: bytes) -> str:
    (done,) = p.commit(user, p.file(user, "text", p.uploaded(user, data), base=base))
    assert done["status"] == "version", done
    return str(done["version"])


def test_fewer_versions_are_kept_from_the_next_one_on(instance: Instance, user: User) -> None:
    first = p.stored(user, "text", b"1")
    last = first["version"]
    for size in (2, 3, 4):
        last = _next(user, last, b"x" * size)
    told = instance.admin_command("user", "versions", user.login, "2")
    assert told.strip() == f"{user.login}: 2 versions of each file"
    users = json.loads(instance.admin_command("user", "list", "--json"))
    assert [one["versions_kept"] for one in users if one["login"] == user.login] == [2]
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["versions_kept"] == 2
    assert _sizes(user, first["node"]) == [4, 3, 2, 1], "nothing goes by the setting alone"
    _next(user, last, b"x" * 5)
    assert _sizes(user, first["node"]) == [5, 4]
