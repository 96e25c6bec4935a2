"""The trash and what leaves it: everything is 404 at once, and cleared in pieces."""

from __future__ import annotations

import pytest

from appliance.domain.errors import Conflict, NameTaken, NotFound, ParentTrashed
from appliance.services.trash import Trash
from appliance.wire.nodes import Restore
from appliance.wire.uploads import CommitTarget


@pytest.fixture
def trash(changer, limits) -> Trash:
    return Trash(changer=changer, limits=limits)


async def count(stores, home, table: str) -> int:
    async with stores.read(home.space_id) as conn:
        cursor = await conn.execute(
            f"select count(*) from {table} where space_id = %s", (home.space_id,)
        )
        return (await cursor.fetchone())[0]


async def clear(trash: Trash, home, limit: int = 1000) -> int:
    """Runs the worker's step until nothing is left."""
    steps = 0
    while await trash.purge_chunk(home.space_id, limit):
        steps += 1
        assert steps < 1000
    return steps


async def test_a_trashed_node_keeps_its_name_and_frees_it(draw, trash, files, home) -> None:
    first = await draw.file(home, "a")
    written = await trash.trash(home.caller, first.node, first.rev)
    assert (written.answer.name, written.answer.trashed) == ("a", True)
    assert (await files.node(home.caller, first.node)).trashed
    assert (await files.children(home.caller, home.root)).items == []
    with pytest.raises(NotFound):
        await files.resolve(home.caller, home.space, "/a")
    second = await draw.file(home, "a")
    await trash.trash(home.caller, second.node)
    page = await trash.page(home.caller, home.space)
    assert {item.node.id for item in page.items} == {first.node, second.node}
    assert {item.name for item in page.items} == {"a"}
    assert {item.from_parent for item in page.items} == {home.root}


async def test_an_emptied_trash_gives_its_bytes_back(draw, trash, files, new_home, clock) -> None:
    home = await new_home(quota=1000)
    await draw.file(home, "a", size=900)
    node = (await files.resolve(home.caller, home.space, "/a")).id
    await trash.purge(home.caller, node)
    await clear(trash, home)
    clock.forward(minutes=4)
    space = await files.space(home.caller, home.space)
    assert (space.used_bytes, space.reserved_bytes) == (0, 900), "who was told of it may come back"
    clock.forward(minutes=2)
    assert (await files.space(home.caller, home.space)).reserved_bytes == 0
    assert (await draw.file(home, "b", size=900)).status == "created"


async def test_what_is_below_shows_as_trashed(draw, trash, files, home) -> None:
    folder = await draw.folder(home, "folder")
    inner = await draw.file(home, "inner", folder, size=9)
    await trash.trash(home.caller, folder)
    assert (await files.node(home.caller, inner.node)).trashed
    assert [i.trashed for i in (await files.children(home.caller, folder)).items] == [True]
    space = await files.space(home.caller, home.space)
    assert (space.trash_bytes, space.used_bytes) == (9, 9)
    assert (await trash.trash(home.caller, inner.node)).seq == space.seq


async def test_restore_to_where_it_was(draw, trash, files, home) -> None:
    folder = await draw.folder(home, "folder")
    file = await draw.file(home, "a", folder)
    await trash.trash(home.caller, file.node)
    written = await trash.restore(home.caller, file.node, Restore())
    assert (written.answer.parent, written.answer.name) == (folder, "a")
    assert not written.answer.trashed
    assert (await trash.page(home.caller, home.space)).items == []
    with pytest.raises(Conflict):
        await trash.restore(home.caller, file.node, Restore())


async def test_restore_next_to_a_successor_needs_a_name(draw, trash, home) -> None:
    first = await draw.file(home, "a")
    await trash.trash(home.caller, first.node)
    second = await draw.file(home, "a")
    with pytest.raises(NameTaken) as caught:
        await trash.restore(home.caller, first.node, Restore())
    assert caught.value.extra["current"]["node"] == second.node
    written = await trash.restore(home.caller, first.node, Restore(name="a (old)"))
    assert written.answer.name == "a (old)"


@pytest.mark.parametrize("gone", [False, True])
async def test_restore_into_a_lost_folder_needs_a_parent(draw, trash, home, gone) -> None:
    folder = await draw.folder(home, "folder")
    file = await draw.file(home, "a", folder)
    await trash.trash(home.caller, file.node)
    if gone:
        await trash.purge(home.caller, folder)
    else:
        await trash.trash(home.caller, folder)
    with pytest.raises(ParentTrashed):
        await trash.restore(home.caller, file.node, Restore())
    written = await trash.restore(home.caller, file.node, Restore(parent=home.root))
    assert written.answer.parent == home.root


async def test_one_from_within_a_trashed_folder(draw, trash, files, home) -> None:
    folder = await draw.folder(home, "folder")
    file = await draw.file(home, "a", folder)
    await trash.trash(home.caller, folder)
    with pytest.raises(ParentTrashed):
        await trash.restore(home.caller, file.node, Restore())
    with pytest.raises(ParentTrashed):
        await trash.restore(home.caller, folder, Restore(parent=folder))
    await trash.restore(home.caller, file.node, Restore(parent=home.root))
    assert (await files.resolve(home.caller, home.space, "/a")).id == file.node


async def test_purged_is_gone_at_once_with_all_below(draw, trash, files, home, stores) -> None:
    folder = await draw.folder(home, "folder")
    deep = await draw.folder(home, "deep", folder)
    file = await draw.file(home, "a", deep, size=33)
    written = await trash.purge(home.caller, folder)
    for node in (folder, deep, file.node):
        with pytest.raises(NotFound):
            await files.node(home.caller, node, written.seq)
        with pytest.raises(NotFound):
            await files.children(home.caller, node)
        with pytest.raises(NotFound):
            await trash.restore(home.caller, node, Restore(parent=home.root))
        with pytest.raises(NotFound):
            await trash.purge(home.caller, node)
    with pytest.raises(NotFound):
        await files.versions(home.caller, file.node)
    assert (await draw.file(home, "x", deep)).code == "not-found"
    await clear(trash, home)
    assert await count(stores, home, "nodes") == 1
    assert await count(stores, home, "versions") == 0
    assert (await files.space(home.caller, home.space)).used_bytes == 0


async def test_what_a_space_holds_is_right_while_it_is_cleared(
    draw, trash, files, home, stores
) -> None:
    """The seq stays the same from the deletion on, and what is counted doesn't."""
    upload = await draw.blob(home, 50)
    kept = await draw.file(home, "kept", upload=upload)
    await draw.file(home, "kept", size=7, base=kept.version)
    same = await draw.file(home, "same", upload=upload)

    async def counted() -> tuple[int, int, int]:
        found = await files.space(home.caller, home.space)
        return found.seq, found.trash_bytes, found.version_bytes

    seq, *before = await counted()
    assert before == [0, 0], "the bytes of the old version are those of a current one too"
    await trash.purge(home.caller, same.node)
    assert await counted() == (seq + 1, 0, 0)
    await clear(trash, home)
    assert await counted() == (seq + 1, 0, 50)
    async with stores.tx(home.space_id) as conn:
        await conn.execute("delete from versions where space_id = %s", (home.space_id,))
    assert await counted() == (seq + 1, 0, 50), "counted once for each seq"


async def test_the_root_stays(trash, home) -> None:
    with pytest.raises(Conflict):
        await trash.trash(home.caller, home.root)
    with pytest.raises(Conflict):
        await trash.purge(home.caller, home.root)


async def test_a_stale_rev_is_a_conflict(draw, trash, home) -> None:
    a = await draw.file(home, "a")
    for call in (trash.trash, trash.purge):
        with pytest.raises(Conflict):
            await call(home.caller, a.node, a.rev + 1)


async def test_a_big_tree_is_cleared_in_bounded_steps(draw, trash, files, home, stores) -> None:
    """Wide and deep, shared blobs, several versions: all goes, and only what is purged."""
    upload = await draw.blob(home, 10)
    top = await draw.folder(home, "top")
    at = top
    for depth in range(12):
        await draw.commit(
            home,
            *(CommitTarget(kind="file", parent=at, name=f"f{n}", upload=upload) for n in range(15)),
        )
        changed = await draw.file(home, "v", at, size=1)
        await draw.file(home, "v", at, size=1, base=changed.version)
        at = await draw.folder(home, f"d{depth}", at)
    keep = await draw.file(home, "keep", upload=upload)
    await trash.trash(home.caller, top)
    written = await trash.empty(home.caller, home.space)
    assert (await files.space(home.caller, home.space, written.seq)).trash_bytes == 0
    steps = await clear(trash, home, limit=20)
    assert steps > 12 * 17 / 40
    assert await count(stores, home, "nodes") == 2
    assert await count(stores, home, "versions") == 1
    assert await count(stores, home, "trash") == 0
    assert (await files.space(home.caller, home.space)).used_bytes == 10
    assert (await files.node(home.caller, keep.node)).status == "uploaded"


async def test_pages_of_the_trash(draw, trash, home, clock) -> None:
    nodes = []
    for number in range(5):
        file = await draw.file(home, f"f{number}")
        clock.forward(seconds=number % 2)
        await trash.trash(home.caller, file.node)
        nodes.append(file.node)
    seen, after = [], None
    while True:
        page = await trash.page(home.caller, home.space, after, 2)
        seen += [item.node.id for item in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == sorted(nodes)
    assert seen[-1] == nodes[0]
    with pytest.raises(NotFound):
        await trash.page(home.stranger(), home.space)


async def test_emptying_takes_only_what_was_there(draw, trash, files, home, clock) -> None:
    old = await draw.file(home, "old")
    await trash.trash(home.caller, old.node)
    before = clock.now()
    clock.forward(seconds=1)
    new = await draw.file(home, "new")
    await trash.trash(home.caller, new.node)
    written = await trash.empty_chunk(home.caller, home.space_id, before, 100)
    assert written.answer == 1
    page = await trash.page(home.caller, home.space)
    assert [item.node.id for item in page.items] == [new.node]
