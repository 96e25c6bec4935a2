"""Reading: pages by key, paths, finding, what is foreign."""

from __future__ import annotations

import pytest

from appliance.domain import ids
from appliance.domain.errors import BadRequest, InvalidCursor, InvalidName, NotFound, VersionGone
from appliance.services.trash import Trash
from appliance.wire.nodes import Listing
from appliance.wire.uploads import CommitTarget


async def pages(call, limit: int) -> list:
    """All items of a paged call; no page is longer than asked for."""
    items, after = [], None
    while True:
        page = await call(after, limit)
        assert len(page.items) <= limit
        items += page.items
        after = page.next
        if after is None:
            return items


async def fill(draw, home, names, parent=None) -> None:
    parent = parent or home.root
    await draw.commit(
        home, *(CommitTarget(kind="folder", parent=parent, name=name) for name in names)
    )


NAMES = ["a", "B", "ä", "Zebra", "zebra", "日本", "a b", "a.b", "😀", "ab"]


async def test_children_by_pages_in_byte_order(draw, files, home) -> None:
    await fill(draw, home, NAMES)
    for limit in (1, 3, 10, 11):
        found = await pages(
            lambda after, n: files.children(home.caller, home.root, after, n), limit
        )
        assert [item.name for item in found] == sorted(NAMES, key=str.encode)


async def test_listing_several_folders(draw, files, home) -> None:
    folders = [await draw.folder(home, name) for name in "xyz"]
    for folder in folders[:2]:
        await fill(draw, home, NAMES, folder)
    asked = [folders[1], folders[0], folders[2], folders[0]]
    for limit in (1, 7, 10, 100):
        found = await pages(
            lambda after, n: files.listing(
                home.caller, home.space, Listing(parents=asked, after=after, limit=n)
            ),
            limit,
        )
        ordered = sorted(NAMES, key=str.encode)
        assert [(item.parent, item.name) for item in found] == [
            (folder, name) for folder in folders[:2] for name in ordered
        ]


async def test_listing_needs_all_its_folders(draw, files, home, new_home) -> None:
    other = await new_home()
    folder = await draw.folder(home, "a")
    for wrong in (home.node(999), other.root, "n!", "x"):
        with pytest.raises(NotFound):
            await files.listing(home.caller, home.space, Listing(parents=[folder, wrong]))


async def test_paths(draw, files, home) -> None:
    a = await draw.folder(home, "a")
    b = await draw.folder(home, "b", a)
    file = await draw.file(home, "ü", b)
    assert (await files.resolve(home.caller, home.space, "/")).id == home.root
    for path in ("/a/b/ü", "//a/b//ü/", "/a/b/u\u0308"):
        assert (await files.resolve(home.caller, home.space, path)).id == file.node
    for path in ("/a/c", "/a/b/ü/x", "/A"):
        with pytest.raises(NotFound):
            await files.resolve(home.caller, home.space, path)
    for path in ("a", "", "/a/..", "/a/\0"):
        with pytest.raises(InvalidName):
            await files.resolve(home.caller, home.space, path)


async def test_finding_by_a_piece_of_the_name(draw, files, changer, limits, home) -> None:
    a = await draw.folder(home, "Report")
    await fill(draw, home, ["report 2", "Annual REPORT", "re%ort", "other", "straße"], a)
    trashed = await draw.folder(home, "report trashed")
    await fill(draw, home, ["report below trashed"], trashed)
    await Trash(changer=changer, limits=limits).trash(home.caller, trashed)
    for limit in (1, 2, 50):
        found = await pages(
            lambda after, n: files.find(home.caller, home.space, "rEPort", after, n), limit
        )
        assert [item.name for item in found] == ["Report", "report 2", "Annual REPORT"]

    async def names(q: str) -> list[str]:
        return [item.name for item in (await files.find(home.caller, home.space, q)).items]

    assert await names("%") == ["re%ort"]
    assert await names("_") == []
    assert await names("STRASSE") == ["straße"]
    assert await names("\U0010ffff") == []
    with pytest.raises(BadRequest):
        await files.find(home.caller, home.space, "")


@pytest.mark.parametrize("mark", ["x", "!!", "AAAA", "k8BhYQ", "é"])
async def test_odd_page_marks_are_refused(files, home, mark) -> None:
    with pytest.raises(InvalidCursor):
        await files.children(home.caller, home.root, mark)
    with pytest.raises(InvalidCursor):
        await files.find(home.caller, home.space, "q", mark)
    with pytest.raises(InvalidCursor):
        await files.listing(home.caller, home.space, Listing(parents=[home.root], after=mark))


async def test_everything_of_a_foreign_space_is_not_found(draw, files, home) -> None:
    file = await draw.file(home, "a")
    stranger = home.stranger()
    calls = [
        files.space(stranger, home.space),
        files.node(stranger, file.node),
        files.node(stranger, home.node(999)),
        files.children(stranger, home.root),
        files.listing(stranger, home.space, Listing(parents=[home.root])),
        files.resolve(stranger, home.space, "/a"),
        files.find(stranger, home.space, "a"),
        files.versions(stranger, file.node),
        files.chunks(stranger, file.node),
        files.space(stranger, stranger_space := ids.encode_key("s", stranger.space_id)),
        files.node(home.caller, home.node(2)),
        files.node(home.caller, home.node(3)),
        files.node(home.caller, file.node[:-1]),
    ]
    assert stranger_space != home.space
    for call in calls:
        with pytest.raises(NotFound):
            await call


async def test_versions_by_pages(draw, files, home) -> None:
    outcome = await draw.file(home, "a", size=1)
    for size in range(2, 8):
        outcome = await draw.file(home, "a", size=size, base=outcome.version)
    found = await pages(lambda after, n: files.versions(home.caller, outcome.node, after, n), 3)
    assert [item.size for item in found] == [7, 6, 5, 4, 3, 2, 1]
    assert [item.current for item in found] == [True] + [False] * 6
    assert {item.author for item in found} == {ids.encode_key("p", home.caller.user_id)}
    space = await files.space(home.caller, home.space)
    assert (space.used_bytes, space.version_bytes) == (28, 21)


async def test_chunks_of_versions(draw, files, home) -> None:
    first = await draw.file(home, "a", size=10)
    await draw.file(home, "a", size=20, base=first.version)
    now = await files.chunks(home.caller, first.node)
    assert [(c.index, c.offset, c.length, c.status) for c in now.items] == [(0, 0, 20, "uploaded")]
    old = await files.chunks(home.caller, first.node, first.version)
    assert [c.length for c in old.items] == [10]
    other = await draw.file(home, "b")
    with pytest.raises(VersionGone):
        await files.chunks(home.caller, first.node, other.version)
    with pytest.raises(BadRequest):
        await files.chunks(home.caller, home.root)
    with pytest.raises(BadRequest):
        await files.children(home.caller, first.node)


async def test_a_quarantined_file_says_so(draw, files, home, stores) -> None:
    file = await draw.file(home, "a")
    async with stores.tx(home.space_id) as conn:
        await conn.execute(
            "update blobs set state = 'quarantined' where space_id = %s", (home.space_id,)
        )
    assert (await files.node(home.caller, file.node)).status == "quarantined"
    assert [c.status for c in (await files.chunks(home.caller, file.node)).items] == ["quarantined"]
