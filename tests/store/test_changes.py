"""The journal: every change in order, a fork noticed, news waited for."""

from __future__ import annotations

import asyncio
import time

import pytest

from appliance.domain import cursors, ids
from appliance.domain.cursors import Cursor
from appliance.domain.errors import InvalidCursor, NotFound
from appliance.services.changes import ChangeFeed
from appliance.services.moves import Moves
from appliance.services.trash import Trash
from appliance.wire.nodes import Copy, Move, Restore


@pytest.fixture
def feed(stores, limits) -> ChangeFeed:
    return ChangeFeed(stores=stores, limits=limits)


async def test_each_change_has_its_row(draw, changer, limits, feed, home) -> None:
    moves = Moves(changer=changer, limits=limits)
    trash = Trash(changer=changer, limits=limits)
    folder = await draw.folder(home, "folder")
    a = await draw.file(home, "a")
    b = await draw.file(home, "a", base=a.version)
    await moves.move(home.caller, a.node, Move(parent=folder, name="b"))
    await moves.move(home.caller, a.node, Move(mode=0o600))
    await trash.trash(home.caller, a.node)
    await trash.restore(home.caller, a.node, Restore(parent=home.root))
    copy = await moves.copy(home.caller, folder, Copy(parent=home.root, name="copy"))
    await trash.purge(home.caller, a.node)
    page = await feed.page(home.caller, home.space)
    bin_ = home.node(ids.TRASH)
    assert [(c.seq, c.change, c.node, c.old_parent, c.new_parent, c.name) for c in page.items] == [
        (1, "create", folder, None, home.root, "folder"),
        (2, "create", a.node, None, home.root, "a"),
        (3, "content", a.node, home.root, home.root, "a"),
        (4, "move", a.node, home.root, folder, "b"),
        (5, "meta", a.node, folder, folder, "b"),
        (6, "trash", a.node, folder, bin_, "b"),
        (7, "restore", a.node, bin_, home.root, "b"),
        (8, "create", copy.answer.id, None, home.root, "copy"),
        (9, "delete", a.node, home.root, None, "b"),
    ]
    assert page.items[2].version == b.version
    assert (page.more, page.fork) == (False, False)


async def test_pages_go_on_where_they_ended(draw, feed, home) -> None:
    for number in range(5):
        await draw.folder(home, f"f{number}")
    seen, cursor, more = [], None, True
    while more:
        page = await feed.page(home.caller, home.space, cursor, limit=2)
        seen += [item.seq for item in page.items]
        cursor, more = page.cursor, page.more
    assert seen == [1, 2, 3, 4, 5]
    last = await feed.page(home.caller, home.space, cursor)
    assert (last.items, last.cursor, last.fork) == ([], cursor, False)


async def test_a_fork_is_noticed(draw, feed, home) -> None:
    await draw.folder(home, "a")
    head = cursors.decode((await feed.page(home.caller, home.space)).cursor)
    for told in (Cursor(home.space_id, 1, head.mark ^ 1), Cursor(home.space_id, 2, 7)):
        page = await feed.page(home.caller, home.space, cursors.encode(told))
        assert (page.fork, page.items) == (True, [])
        assert cursors.decode(page.cursor) == head


async def test_foreign_and_odd_cursors(feed, home, new_home) -> None:
    other = await new_home()
    for text in ("nonsense", cursors.encode(cursors.start(other.space_id))):
        with pytest.raises(InvalidCursor):
            await feed.page(home.caller, home.space, text)
    with pytest.raises(NotFound):
        await feed.page(home.stranger(), home.space)


async def test_waiting_ends_with_news(draw, feed, home) -> None:
    start = (await feed.page(home.caller, home.space)).cursor

    async def change() -> None:
        await asyncio.sleep(0.2)
        await draw.folder(home, "a")

    began = time.monotonic()
    page, _ = await asyncio.gather(feed.page(home.caller, home.space, start, wait=20), change())
    assert [item.name for item in page.items] == ["a"]
    assert time.monotonic() - began < 5


async def test_waiting_ends_in_time(feed, home) -> None:
    began = time.monotonic()
    page = await feed.page(home.caller, home.space, wait=0.3)
    assert (page.items, page.more) == ([], False)
    assert 0.3 <= time.monotonic() - began < 2


async def test_wakeups_say_when_the_journal_is_read_again(stores, limits, draw, home) -> None:
    asked: list[float] = []

    class Bell:
        async def wait(self, space_id: int, seq: int, timeout: float) -> None:
            asked.append(timeout)
            if len(asked) == 2:
                await draw.folder(home, "a")

    feed = ChangeFeed(stores=stores, limits=limits, wakeups=Bell())
    page = await feed.page(home.caller, home.space, wait=30)
    assert [item.name for item in page.items] == ["a"]
    assert len(asked) == 2
    assert min(asked) > 20, "it is theirs to bound the wait"
