"""Rename, move, copy, old versions: under the lock, with what refuses them."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from appliance.domain.errors import (
    Conflict,
    Cycle,
    IdempotencyMismatch,
    InvalidName,
    NameTaken,
    NotFound,
    ParentTrashed,
    Problem,
    TreeTooLarge,
    VersionGone,
)
from appliance.services.changing import Changer
from appliance.services.moves import Moves
from appliance.services.trash import Trash
from appliance.settings import Limits
from appliance.wire.nodes import Copy, Move, Restore, RestoreVersion
from appliance.wire.uploads import CommitTarget


@pytest.fixture
def moves(changer, limits) -> Moves:
    return Moves(changer=changer, limits=limits)


@pytest.fixture
def trash(changer, limits) -> Trash:
    return Trash(changer=changer, limits=limits)


async def paths(files, home) -> set[str]:
    """Every path of a space, by walking it."""
    found, folders = set(), [("", home.root)]
    while folders:
        path, folder = folders.pop()
        for item in (await files.children(home.caller, folder)).items:
            found.add(f"{path}/{item.name}")
            if item.kind == "folder":
                folders.append((f"{path}/{item.name}", item.id))
    return found


async def test_rename_and_move(draw, moves, files, home) -> None:
    folder = await draw.folder(home, "folder")
    file = await draw.file(home, "a")
    renamed = await moves.move(home.caller, file.node, Move(name="b"))
    assert (renamed.answer.name, renamed.answer.parent, renamed.seq) == ("b", home.root, 3)
    moved = await moves.move(home.caller, file.node, Move(parent=folder, mode=0o600, mtime_ns=5))
    assert (moved.answer.parent, moved.answer.mode, moved.answer.mtime_ns) == (folder, 0o600, 5)
    assert moved.answer.rev == moved.seq == 4
    assert await paths(files, home) == {"/folder", "/folder/b"}


async def test_nothing_to_change_changes_nothing(draw, moves, home) -> None:
    file = await draw.file(home, "a")
    same = await moves.move(home.caller, file.node, Move(name="a", parent=home.root))
    assert (same.seq, same.answer.rev) == (1, 1)


async def test_a_folder_moves_with_all_below_it(draw, moves, files, home) -> None:
    a = await draw.folder(home, "a")
    b = await draw.folder(home, "b", a)
    await draw.file(home, "deep", b)
    target = await draw.folder(home, "target")
    before = (await files.space(home.caller, home.space)).seq
    written = await moves.move(home.caller, a, Move(parent=target))
    assert written.seq == before + 1
    assert "/target/a/b/deep" in await paths(files, home)


async def test_a_folder_never_moves_into_itself(draw, moves, home) -> None:
    a = await draw.folder(home, "a")
    b = await draw.folder(home, "b", a)
    c = await draw.folder(home, "c", b)
    for below in (a, b, c):
        with pytest.raises(Cycle):
            await moves.move(home.caller, a, Move(parent=below))
        with pytest.raises(Cycle):
            await moves.copy(home.caller, a, Copy(parent=below, name="copy"))


async def test_two_movers_never_make_a_cycle(
    draw, stores, files, home, clock, limits, ids_of_session
) -> None:
    """Each of two processes moves one folder into the other's, at once."""
    movers = [
        Moves(
            changer=Changer(
                stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits
            ),
            limits=limits,
        )
        for _ in range(2)
    ]
    for turn in range(10):
        a = await draw.folder(home, f"a{turn}")
        b = await draw.folder(home, f"b{turn}")
        outcomes = await asyncio.gather(
            movers[0].move(home.caller, a, Move(parent=b)),
            movers[1].move(home.caller, b, Move(parent=a)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert [type(outcome) for outcome in refused] == [Cycle]
    assert len(await paths(files, home)) == 20


async def test_a_taken_name_tells_what_has_it(draw, moves, home) -> None:
    a = await draw.file(home, "a")
    b = await draw.file(home, "b")
    with pytest.raises(NameTaken) as caught:
        await moves.move(home.caller, a.node, Move(name="b"))
    assert caught.value.extra["current"]["node"] == b.node
    assert caught.value.extra["current"]["version"] == b.version
    with pytest.raises(NameTaken):
        await moves.copy(home.caller, a.node, Copy(parent=home.root, name="b"))


async def test_a_stale_rev_is_a_conflict(draw, moves, home) -> None:
    a = await draw.file(home, "a")
    await moves.move(home.caller, a.node, Move(name="b", rev=a.rev))
    with pytest.raises(Conflict) as caught:
        await moves.move(home.caller, a.node, Move(name="c", rev=a.rev))
    assert caught.value.extra["current"]["rev"] == 2


async def test_what_refuses_a_move(draw, moves, trash, home, new_home) -> None:
    a = await draw.file(home, "a")
    folder = await draw.folder(home, "folder")
    inner = await draw.folder(home, "inner", folder)
    await trash.trash(home.caller, folder)
    other = await new_home()
    refusals: list[tuple[str, Move, type[Problem]]] = [
        (a.node, Move(parent=folder), ParentTrashed),
        (a.node, Move(parent=inner), ParentTrashed),
        (folder, Move(name="x"), ParentTrashed),
        (inner, Move(name="x"), ParentTrashed),
        (a.node, Move(parent=home.node(999)), NotFound),
        (a.node, Move(parent=other.root), NotFound),
        (a.node, Move(parent=home.node(2)), NotFound),
        (home.node(999), Move(name="x"), NotFound),
        (home.root, Move(name="x"), Conflict),
        (a.node, Move(name=".."), InvalidName),
    ]
    for node, request, refusal in refusals:
        with pytest.raises(Problem) as caught:
            await moves.move(home.caller, node, request)
        assert type(caught.value) is refusal, (request, caught.value)
    with pytest.raises(NotFound):
        await moves.move(home.stranger(), a.node, Move(name="x"))


async def test_a_file_is_no_parent(draw, moves, home) -> None:
    a, b = await draw.file(home, "a"), await draw.file(home, "b")
    with pytest.raises(Problem, match="folder"):
        await moves.move(home.caller, a.node, Move(parent=b.node))
    assert (await draw.file(home, "c", b.node)).status == "error"


async def test_a_copied_folder_has_nodes_of_its_own(draw, moves, files, home) -> None:
    a = await draw.folder(home, "a")
    b = await draw.folder(home, "b", a)
    file = await draw.file(home, "f", b, size=11)
    link = CommitTarget(kind="link", parent=a, name="l", target="b/f")
    await draw.commit(home, link)
    before = await files.space(home.caller, home.space)
    written = await moves.copy(home.caller, a, Copy(parent=home.root, name="A2"))
    after = await files.space(home.caller, home.space)
    assert after.used_bytes == before.used_bytes
    assert after.seq == before.seq + 4 == written.seq
    assert await paths(files, home) == {
        "/a", "/a/b", "/a/b/f", "/a/l", "/A2", "/A2/b", "/A2/b/f", "/A2/l",
    }  # fmt: skip
    copied = await files.resolve(home.caller, home.space, "/A2/b/f")
    assert copied.id != file.node
    assert copied.version != file.version
    assert (await files.resolve(home.caller, home.space, "/A2/l")).target == "b/f"
    original = await files.chunks(home.caller, file.node)
    assert (await files.chunks(home.caller, copied.id)).items == original.items


async def test_a_copy_is_answered_once_by_its_key(draw, moves, home) -> None:
    a = await draw.file(home, "a")
    request = Copy(parent=home.root, name="b")
    first = await moves.copy(home.caller, a.node, request, "key")
    assert await moves.copy(home.caller, a.node, request, "key") == first


async def test_a_tree_too_large_is_not_copied_in_part(draw, changer, files, home) -> None:
    moves = Moves(changer=changer, limits=Limits(copy_nodes=3))
    a = await draw.folder(home, "a")
    for name in "xyz":
        await draw.folder(home, name, a)
    with pytest.raises(TreeTooLarge):
        await moves.copy(home.caller, a, Copy(parent=home.root, name="b"))
    assert "/b" not in await paths(files, home)


async def test_an_old_version_becomes_current_as_a_new_one(draw, moves, files, home) -> None:
    first = await draw.file(home, "a", size=5)
    second = await draw.file(home, "a", size=6, base=first.version)
    with pytest.raises(Conflict):
        await moves.restore_version(
            home.caller, first.node, first.version, RestoreVersion(base=first.version)
        )
    written = await moves.restore_version(
        home.caller, first.node, first.version, RestoreVersion(base=second.version)
    )
    assert written.answer.size == 5
    assert written.answer.version not in (first.version, second.version)
    page = await files.versions(home.caller, first.node)
    assert [item.size for item in page.items] == [5, 6, 5]
    other = await draw.file(home, "b")
    with pytest.raises(VersionGone):
        await moves.restore_version(home.caller, first.node, other.version, RestoreVersion())


async def test_a_repeated_restore_by_its_key_makes_one_version(draw, moves, files, home) -> None:
    first = await draw.file(home, "a", size=5)
    second = await draw.file(home, "a", size=6, base=first.version)
    wanted = RestoreVersion(base=second.version)
    told = await moves.restore_version(home.caller, first.node, first.version, wanted, "k")
    again = await moves.restore_version(home.caller, first.node, first.version, wanted, "k")
    assert again == told
    assert len((await files.versions(home.caller, first.node)).items) == 3
    for version, other in ((second.version, wanted), (first.version, RestoreVersion())):
        with pytest.raises(IdempotencyMismatch):
            await moves.restore_version(home.caller, first.node, version, other, "k")


async def test_a_repeated_restore_from_the_trash_by_its_key(draw, trash, home) -> None:
    folder = await draw.folder(home, "a")
    await trash.trash(home.caller, folder)
    told = await trash.restore(home.caller, folder, Restore(name="b"), "k")
    assert await trash.restore(home.caller, folder, Restore(name="b"), "k") == told
    with pytest.raises(Conflict):
        await trash.restore(home.caller, folder, Restore(name="b"), "another")


async def test_restoring_versions_keeps_to_the_count(draw, moves, files, new_home) -> None:
    home = await new_home(versions_kept=2)
    first = await draw.file(home, "a", size=5)
    await draw.file(home, "a", size=6, base=first.version)
    await moves.restore_version(home.caller, first.node, first.version, RestoreVersion())
    page = await files.versions(home.caller, first.node)
    assert [item.size for item in page.items] == [5, 6]
    assert (await files.space(home.caller, home.space)).used_bytes == 11


async def chain(stores, home, first: int, length: int) -> None:
    """Folders `first`, `first` + 1, ... each within the one before, from the root down."""
    async with stores.tx(home.space_id) as conn:
        await conn.execute(
            "insert into nodes select %(space)s, %(first)s + i,"
            " case i when 0 then 1 else %(first)s + i - 1 end, 'f' || %(first)s, 'f', 'folder', 0,"
            " null, 0, 0, 0, null, 0, now() from generate_series(0, %(length)s::integer - 1) i",
            {"space": home.space_id, "first": first, "length": length},
        )


async def test_no_folder_comes_to_lie_too_deep(moves, trash, draw, stores, home) -> None:
    """Also by what hangs below it: else a tree could be made deeper move by move."""
    await chain(stores, home, 1000, 400)
    await chain(stores, home, 2000, 101)
    bottom, whole, part = home.node(1399), home.node(2000), home.node(2001)
    with pytest.raises(TreeTooLarge):
        await moves.move(home.caller, whole, Move(parent=bottom))
    with pytest.raises(TreeTooLarge):
        await moves.copy(home.caller, whole, Copy(parent=bottom, name="copy"))
    await trash.trash(home.caller, whole)
    with pytest.raises(TreeTooLarge):
        await trash.restore(home.caller, whole, Restore(parent=bottom))
    await trash.restore(home.caller, whole, Restore())
    await moves.copy(home.caller, part, Copy(parent=bottom, name="copy"))
    await moves.move(home.caller, part, Move(parent=bottom))
    deepest = home.node(2100)
    file = await draw.file(home, "a")
    await moves.move(home.caller, file.node, Move(parent=deepest))
    await moves.move(home.caller, deepest, Move(name="renamed"))
    other = await draw.folder(home, "other")
    with pytest.raises(TreeTooLarge):
        await moves.move(home.caller, other, Move(parent=deepest))
    folder = CommitTarget(kind="folder", parent=deepest, name="too deep")
    above = CommitTarget(kind="folder", parent=home.node(2099), name="beside")
    there = CommitTarget(kind="folder", parent=home.node(2099), name="renamed")
    beside = CommitTarget(kind="file", parent=deepest, name="b", upload=await draw.blob(home))
    outcomes = await draw.commit(home, folder, above, there, beside)
    assert [outcome.status for outcome in outcomes] == ["error", "created", "exists", "created"]
    assert outcomes[0].code == "tree-too-large"
