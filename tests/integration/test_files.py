"""Files, folders, versions, trash and the journal, through nginx."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from . import protocol as p
from .instance import User


def _folder(user: User, name: str, parent: str | None = None) -> str:
    target = {"kind": "folder", "parent": parent or p.root(user), "name": name, "mode": 0o755}
    (done,) = p.commit(user, target)
    assert done["status"] in ("created", "exists"), done
    return str(done["node"])


def _node(user: User, node: str) -> Any:
    reply = user.call("GET", f"/api/v1/nodes/{node}")
    assert reply.status == 200, reply.body
    return reply.json


def test_folders_are_found_again_and_listed_in_pages(user: User) -> None:
    folder = _folder(user, "many")
    assert _folder(user, "many") == folder
    names = [f"n{number:03}" for number in range(25)]
    targets = [{"kind": "folder", "parent": folder, "name": name} for name in names]
    p.commit(user, *targets)
    seen, after = [], ""
    while after is not None:
        reply = user.call("GET", f"/api/v1/nodes/{folder}/children?limit=10{after}")
        seen += [item["name"] for item in reply.json["items"]]
        after = f"&after={reply.json['next']}" if reply.json["next"] else None
    assert seen == names


def test_a_new_version_is_based_on_the_one_before(user: User) -> None:
    first = p.stored(user, "text", b"one")
    upload = p.uploaded(user, b"two")
    (stale,) = p.commit(user, p.file(user, "text", upload))
    assert stale["status"] == "conflict"
    assert stale["current"]["version"] == first["version"]
    (done,) = p.commit(user, p.file(user, "text", upload, base=first["version"]))
    assert (done["status"], done["node"]) == ("version", first["node"])
    (late,) = p.commit(user, p.file(user, "text", upload, base=first["version"]))
    assert late["status"] in ("conflict", "unchanged")
    assert p.fetched(user, first["node"]) == b"two"
    listed = user.call("GET", f"/api/v1/nodes/{first['node']}/versions").json["items"]
    assert [(item["size"], item["current"]) for item in listed] == [(3, True), (3, False)]
    path = f"/api/v1/nodes/{first['node']}/versions/{first['version']}/restore"
    assert user.call("POST", path, {}).status == 200
    assert p.fetched(user, first["node"]) == b"one"


def test_one_of_many_who_write_the_same_name_wins(user: User) -> None:
    uploads = [p.uploaded(user, b"%d" % number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = [
            item for (item,) in pool.map(lambda u: p.commit(user, p.file(user, "name", u)), uploads)
        ]
    assert sorted(item["status"] for item in done) == ["conflict"] * 7 + ["created"]


def test_move_rename_and_what_stands_in_the_way(user: User) -> None:
    outer, inner = _folder(user, "outer"), ""
    inner = _folder(user, "inner", outer)
    file = p.stored(user, "file", b"x")["node"]
    moved = user.call("PATCH", f"/api/v1/nodes/{file}", {"parent": inner, "name": "renamed"})
    assert (moved.status, moved.json["parent"], moved.json["name"]) == (200, inner, "renamed")
    assert int(moved.headers["Stowbay-Seq"]) == moved.json["rev"]
    cycle = user.call("PATCH", f"/api/v1/nodes/{outer}", {"parent": inner})
    assert (cycle.status, cycle.json["code"]) == (409, "cycle")
    p.stored(user, "taken", b"y")
    taken = user.call("PATCH", f"/api/v1/nodes/{outer}", {"name": "taken"})
    assert (taken.status, taken.json["code"]) == (409, "name-taken")
    stale = user.call("PATCH", f"/api/v1/nodes/{file}", {"name": "z", "rev": 1})
    assert (stale.status, stale.json["code"]) == (409, "conflict")
    assert stale.json["current"]
    reply = user.call("GET", f"/api/v1/spaces/{user.space}/resolve?path=/outer/inner/renamed")
    assert reply.json["id"] == file


def test_two_movers_never_make_a_cycle(user: User) -> None:
    for turn in range(5):
        a, b = _folder(user, f"a{turn}"), _folder(user, f"b{turn}")
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(user.call, "PATCH", f"/api/v1/nodes/{a}", {"parent": b})
            two = pool.submit(user.call, "PATCH", f"/api/v1/nodes/{b}", {"parent": a})
        assert sorted([one.result().status, two.result().status]) == [200, 409]


def test_a_copy_moves_no_byte_and_costs_no_quota(user: User) -> None:
    folder = _folder(user, "from")
    upload = p.uploaded(user, b"z" * 1000)
    p.commit(user, {"kind": "file", "parent": folder, "name": "f", "upload": upload})
    before = user.call("GET", f"/api/v1/spaces/{user.space}").json["used_bytes"]
    reply = user.call(
        "POST", f"/api/v1/nodes/{folder}/copy", {"parent": p.root(user), "name": "to"}
    )
    assert reply.status in (200, 201), reply.body
    copy = user.call("GET", f"/api/v1/spaces/{user.space}/resolve?path=/to/f").json
    assert p.fetched(user, copy["id"]) == b"z" * 1000
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["used_bytes"] == before
    into = user.call("POST", f"/api/v1/nodes/{folder}/copy", {"parent": folder, "name": "self"})
    assert (into.status, into.json["code"]) == (409, "cycle")


def test_trash_restore_and_deletion_for_good(user: User) -> None:
    folder = _folder(user, "old")
    upload = p.uploaded(user, b"q" * 500)
    (file,) = p.commit(user, {"kind": "file", "parent": folder, "name": "f", "upload": upload})
    assert user.call("DELETE", f"/api/v1/nodes/{folder}").status == 200
    assert _node(user, file["node"])["trashed"]
    (refused,) = p.commit(user, {"kind": "folder", "parent": folder, "name": "new"})
    assert refused["code"] == "parent-trashed"
    page = user.call("GET", f"/api/v1/spaces/{user.space}/trash").json
    assert [item["name"] for item in page["items"]] == ["old"]
    _folder(user, "old")
    blocked = user.call("POST", f"/api/v1/nodes/{folder}/restore", {})
    assert (blocked.status, blocked.json["code"]) == (409, "name-taken")
    back = user.call("POST", f"/api/v1/nodes/{folder}/restore", {"name": "old again"})
    assert (back.status, back.json["name"]) == (200, "old again")
    assert not _node(user, file["node"])["trashed"]
    assert user.call("DELETE", f"/api/v1/nodes/{folder}?permanent=true").status == 204
    for path in (f"nodes/{folder}", f"nodes/{file['node']}", f"nodes/{file['node']}/content"):
        reply = user.call("GET", f"/api/v1/{path}")
        assert reply.status == 404, path


def test_emptying_the_trash_gives_the_quota_back(user: User) -> None:
    for number in range(3):
        done = p.stored(user, f"t{number}", p.content(1000))
        user.call("DELETE", f"/api/v1/nodes/{done['node']}")
    space = user.call("GET", f"/api/v1/spaces/{user.space}").json
    assert (space["used_bytes"], space["trash_bytes"]) == (3000, 3000)
    assert user.call("DELETE", f"/api/v1/spaces/{user.space}/trash").status == 202
    assert user.call("GET", f"/api/v1/spaces/{user.space}/trash").json["items"] == []
    user.instance.worker("--job", "purging")
    assert user.call("GET", f"/api/v1/spaces/{user.space}").json["used_bytes"] == 0


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\rb", "a\nb", "a\x00b", "x\u202ey", "\u2028", "n" * 256]
)
def test_names_that_deceive_are_refused(user: User, name: str) -> None:
    target = {"kind": "folder", "parent": p.root(user), "name": name}
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/commits", {"targets": [target]})
    if reply.status == 200:
        (item,) = reply.json["items"]
        assert (item["status"], item["code"]) == ("error", "invalid-name")
    else:
        assert (reply.status, reply.json["code"]) == (400, "invalid-body")


def test_names_of_the_world_are_kept(user: User) -> None:
    for name in ("Grüße", "日本", "\U0001f600\U0001d11e", "a" * 255, "con.txt", "trailing."):
        node = _node(user, _folder(user, name))
        assert node["name"] == name
    assert "windows-unfit" in _node(user, _folder(user, "trailing."))["flags"]
    # NFC: both spellings are one name.
    assert _folder(user, "Gru\u0308\u00dfe") == _folder(user, "Gr\u00fc\u00dfe")


def test_case_twins_are_kept_and_flagged(user: User) -> None:
    low, high = _folder(user, "readme"), _folder(user, "README")
    assert low != high
    listed = user.call("GET", f"/api/v1/nodes/{p.root(user)}/children").json["items"]
    twins = {item["name"] for item in listed if "case-twin" in item["flags"]}
    assert twins == {"readme", "README"}


def test_links_are_kept_and_never_followed(user: User) -> None:
    target = {"kind": "link", "parent": p.root(user), "name": "l", "target": "../../etc/passwd"}
    (done,) = p.commit(user, target)
    node = _node(user, done["node"])
    assert (node["kind"], node["target"]) == ("link", "../../etc/passwd")
    reply = user.call("GET", f"/api/v1/nodes/{done['node']}/content", Accept="application/json")
    assert 400 <= reply.status < 500


def test_find_by_name(user: User) -> None:
    folder = _folder(user, "Quarterly Report")
    _folder(user, "other")
    found = user.call("GET", f"/api/v1/spaces/{user.space}/find?q=report").json["items"]
    assert [item["id"] for item in found] == [folder]


def test_the_journal_tells_everything_in_order(user: User) -> None:
    path = f"/api/v1/spaces/{user.space}/changes"
    start = user.call("GET", path).json
    folder = _folder(user, "journal")
    file = p.stored(user, "j", b"1")
    user.call("PATCH", f"/api/v1/nodes/{file['node']}", {"parent": folder})
    user.call("DELETE", f"/api/v1/nodes/{folder}")
    user.call("POST", f"/api/v1/nodes/{folder}/restore", {})
    page = user.call("GET", f"{path}?cursor={start['cursor']}").json
    assert [(item["change"], item["node"]) for item in page["items"]] == [
        ("create", folder),
        ("create", file["node"]),
        ("move", file["node"]),
        ("trash", folder),
        ("restore", folder),
    ]
    seqs = [item["seq"] for item in page["items"]]
    assert seqs == list(range(seqs[0], seqs[0] + 5))
    assert (page["more"], page["fork"]) == (False, False)
    first = user.call("GET", f"{path}?cursor={start['cursor']}&limit=2").json
    assert (len(first["items"]), first["more"]) == (2, True)
    rest = user.call("GET", f"{path}?cursor={first['cursor']}").json
    assert [item["seq"] for item in first["items"] + rest["items"]] == seqs


def test_a_waiting_reader_is_woken(user: User) -> None:
    path = f"/api/v1/spaces/{user.space}/changes"
    cursor = user.call("GET", path).json["cursor"]
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(user.call, "GET", f"{path}?cursor={cursor}&wait=30")
        time.sleep(0.5)
        folder = _folder(user, "news")
        page = waiting.result().json
    assert [item["node"] for item in page["items"]] == [folder]
    assert time.monotonic() - began < 15
    began = time.monotonic()
    page = user.call("GET", f"{path}?cursor={page['cursor']}&wait=1").json
    assert page["items"] == []
    assert time.monotonic() - began >= 0.9


def test_a_cursor_of_nowhere_is_refused(user: User) -> None:
    path = f"/api/v1/spaces/{user.space}/changes"
    reply = user.call("GET", f"{path}?cursor=nonsense")
    assert (reply.status, reply.json["code"]) == (400, "invalid-cursor")


def test_reads_follow_the_writes_that_were_seen(user: User) -> None:
    for turn in range(20):
        reply = user.call(
            "POST",
            f"/api/v1/spaces/{user.space}/commits",
            {"targets": [{"kind": "folder", "parent": p.root(user), "name": f"r{turn}"}]},
        )
        seq = reply.headers["Stowbay-Seq"]
        node = reply.json["items"][0]["node"]
        user.call("PATCH", f"/api/v1/nodes/{node}", {"name": f"s{turn}"})
        assert _node(user, node)["name"] == f"s{turn}"
        listed = user.call("GET", f"/api/v1/nodes/{p.root(user)}/children", Stowbay_Seq=seq)
        assert f"s{turn}" in [item["name"] for item in listed.json["items"]]
