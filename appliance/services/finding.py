"""Finding nodes by a piece of their name, whatever its case.

Names that begin with the text come first (a range of the index), then those that hold it
elsewhere (a walk along the index of the space). What lies in the trash isn't found. That can only
be told after the fact, so candidates are taken page by page until the answer is full; how far one
call goes is bounded, and a page may be short and still have a next one.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from appliance.domain.errors import BadRequest
from appliance.domain.names import fold
from appliance.domain.tree import Place, place_of
from appliance.store import nodes
from appliance.store.nodes import Found, NodeRow
from appliance.store.pools import Connection
from appliance.wire.nodes import Nodes

from . import page_marks
from .node_answers import node_answer

__all__ = ["find", "successor"]

_START = Found("", 0, 0)
_ROUNDS = 10


class _Mark(NamedTuple):
    inside: bool  # the beginnings are through
    folded: str
    parent_id: int
    node_id: int


async def find(conn: Connection, space_id: int, q: str, after: str | None, limit: int) -> Nodes:
    text = fold(unicodedata.normalize("NFC", q))
    if not text or "\0" in text:
        raise BadRequest("Say at least one character of the name.")
    mark = page_marks.read(after, _Mark) if after else _Mark(False, text, 0, 0)
    rows: list[NodeRow] = []
    over = False
    for _ in range(_ROUNDS):
        wanted = limit - len(rows)
        found = await _candidates(conn, space_id, text, mark, wanted)
        rows += await _live(conn, space_id, found)
        if found:
            mark = _Mark(mark.inside, *found[-1])
        if len(found) < wanted:
            over = mark.inside
            mark = _Mark(True, *_START)
        if over or len(rows) == limit:
            break
    return Nodes(
        items=[node_answer(space_id, row, trashed=False) for row in rows],
        next=None if over else page_marks.write(mark),
    )


async def _candidates(
    conn: Connection, space_id: int, text: str, mark: _Mark, limit: int
) -> list[Found]:
    after = Found(*mark[1:])
    if mark.inside:
        found = await nodes.find_inside(conn, space_id, text, after, limit)
    else:
        found = await nodes.find_prefix(conn, space_id, successor(text), after, limit)
    return await found.fetchall()


async def _live(conn: Connection, space_id: int, found: list[Found]) -> list[NodeRow]:
    """In the order found, without what is in the trash or gone."""
    node_ids = [row.node_id for row in found]
    if not node_ids:
        return []
    way = await nodes.ancestors(conn, space_id, node_ids)
    full = await nodes.by_id(conn, space_id, node_ids)
    parents = {edge.node_id: edge.parent_id for edge in await way.fetchall()}
    rows = {row.node_id: row for row in await full.fetchall()}
    return [
        rows[node_id]
        for node_id in node_ids
        if node_id in rows and place_of(node_id, parents) is Place.LIVE
    ]


def successor(text: str) -> str:
    """The least text, in the order of code points, above all that begin with this one."""
    for end in range(len(text), 0, -1):
        following = ord(text[end - 1]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000
        if following <= 0x10FFFF:
            return text[: end - 1] + chr(following)
    return "\U0010ffff" * 300
