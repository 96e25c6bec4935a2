"""Walking, landing and profiles, on a real disk."""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.client import profile
from appliance.client.errors import LocalFault, NotSignedIn, printable
from appliance.client.transfer import landing, pull_plan
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.pull_plan import Remote
from appliance.client.transfer.walk import Entry, Refused, walk
from appliance.wire.nodes import Chunk, Node

NOTHING = Excludes.parse([])


def node(**more: Any) -> Node:
    fields: dict[str, Any] = {
        "id": "n1", "parent": "n0", "name": "x", "kind": "file", "version": "v1", "size": 3,
        "sha256": "00", "mtime_ns": 1_700_000_000_123_456_789, "mode": 0o640, "target": None,
        "rev": 1, "flags": [], "trashed": False, "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Node(**(fields | more))


def walked(root: Path, excludes: Excludes = NOTHING) -> tuple[dict[str, Entry], dict[str, str]]:
    found = list(walk(str(root), "/r", excludes))
    return (
        {one.path: one for one in found if isinstance(one, Entry)},
        {
            one.local.rpartition("/")[2]: one.problem.code
            for one in found
            if isinstance(one, Refused)
        },
    )


def test_folders_come_before_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "f").write_bytes(b"x")
    (tmp_path / "a").write_bytes(b"")
    order = [one.path for one in walk(str(tmp_path), "/r", NOTHING) if isinstance(one, Entry)]
    assert order == ["/r", "/r/a", "/r/b", "/r/b/c", "/r/b/c/f"]


def test_links_are_kept_as_they_are_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    os.symlink("./no//such/../thing", tmp_path / "dangling")  # noqa: PTH211 - pathlib tidies up
    entries, refused = walked(tmp_path)
    assert entries["/r/dangling"].target == "./no//such/../thing"
    assert entries["/r/loop"].kind == "link"
    assert not refused


def test_what_cannot_be_stored_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "sock"))
    (tmp_path / "line\nbreak").write_bytes(b"")
    (tmp_path / "fine").write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    entries, refused = walked(tmp_path)
    assert set(entries) == {"/r", "/r/fine"}
    assert sorted(refused.values()) == ["invalid-name", "invalid-name", "not-stored", "not-stored"]


def test_two_names_that_are_one_in_normal_form(tmp_path: Path) -> None:
    (tmp_path / "caf\u00e9").write_bytes(b"1")
    (tmp_path / "cafe\u0301").write_bytes(b"2")
    entries, refused = walked(tmp_path)
    assert len(entries) == 2
    assert list(refused.values()) == ["not-stored"]


def test_an_excluded_folder_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "keep" / "node_modules" / "x").mkdir(parents=True)
    (tmp_path / "keep" / "a.o").write_bytes(b"")
    (tmp_path / "keep" / "a.c").write_bytes(b"")
    entries, _ = walked(tmp_path, Excludes.parse(["node_modules/", "*.o"]))
    assert set(entries) == {"/r", "/r/keep", "/r/keep/a.c"}


def test_a_small_file_lands_whole_with_mtime_and_mode(tmp_path: Path) -> None:
    place = tmp_path / "x"
    landing.small(str(place), b"abc", node())
    state = place.stat()
    assert place.read_bytes() == b"abc"
    assert (state.st_mode & 0o7777, state.st_mtime_ns) == (0o640, 1_700_000_000_123_456_789)
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def chunks_of(data: bytes, size: int) -> list[Chunk]:
    return [
        Chunk(
            index=at // size,
            offset=at,
            length=len(data[at : at + size]),
            sha256=hashlib.sha256(data[at : at + size]).hexdigest(),
            status="uploaded",
        )
        for at in range(0, len(data), size)
    ]


def test_a_part_file_keeps_what_is_proven(tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    chunks = chunks_of(data, 1 << 20)
    place, whole = str(tmp_path / "x"), node(size=len(data))
    first = landing.PartFile(place, whole)
    assert first.proven(chunks) == set()
    first.write(memoryview(data[1 << 20 : 2 << 20]), 1 << 20)
    first.write(memoryview(data[3 << 20 : (3 << 20) + 1000]), 3 << 20)  # torn
    first.close()
    again = landing.PartFile(place, whole)
    assert again.proven(chunks) == {1}
    again.write(memoryview(data), 0)
    again.land()
    again.close()
    assert Path(place).read_bytes() == data
    assert [one.name for one in tmp_path.iterdir()] == ["x"]


def test_one_run_at_a_time(tmp_path: Path) -> None:
    first = landing.PartFile(str(tmp_path / "x"), node())
    with pytest.raises(LocalFault, match="by another stowbay"):
        landing.PartFile(str(tmp_path / "x"), node())
    first.close()


def test_a_part_name_is_never_too_long() -> None:
    assert landing.part_name("/d/x") == "/d/.x.stowbay-part"
    assert len(landing.part_name("/" + "é" * 127)[1:].encode()) <= 255


def test_a_link_is_replaced_by_rename(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("old")
    landing.link(str(tmp_path / "l"), node(kind="link", target="a//b"))
    assert (tmp_path / "l").is_symlink()
    assert os.lstat(tmp_path / "l").st_size == len("a//b"), "pathlib would have tidied it up"


def test_nothing_is_written_through_a_link_or_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "sub").symlink_to(outside)
    found = [
        Remote(node(id="n1", kind="folder", name="root"), "/top", str(root)),
        Remote(node(id="n2", kind="folder", name="sub"), "/top/sub", str(root / "sub")),
        Remote(node(id="n3", name="f"), "/top/sub/f", str(root / "sub" / "f")),
        Remote(node(id="n4", name="../up"), "/top/../up", str(root / "../up")),
        Remote(node(id="n5", name=".."), "/top/..", str(root / "..")),
    ]
    plan = pull_plan.make(found)
    assert {remote.node.id: problem.code for remote, problem in plan.failed} == {
        "n2": "in-the-way",
        "n3": "in-the-way",
        "n4": "invalid-name",
        "n5": "invalid-name",
    }
    assert not plan.files


def test_a_profile_is_private_from_its_first_byte(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "stowbay"
    with pytest.raises(NotSignedIn):
        profile.load(place)
    made = profile.Profile(url="https://h", login="u", space="s", root="n", token="t")
    profile.save(place, made)
    assert profile.load(place) == made
    assert (place / "profile.json").stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o777 == 0o700
    profile.forget(place)
    profile.forget(place)


def test_a_damaged_profile_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(LocalFault, match="Sign in again"):
        profile.load(tmp_path)


def test_where_profiles_are() -> None:
    assert profile.directory({"STOWBAY_PROFILE": "/p", "HOME": "/h"}) == Path("/p")
    assert profile.directory({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}) == Path("/x/stowbay")
    assert profile.directory({"HOME": "/h"}) == Path("/h/.config/stowbay")


def test_names_are_shown_without_control_characters() -> None:
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert printable("é\udcff") == "é\\xff"
    assert printable("\u202e") == "\\u202e"
