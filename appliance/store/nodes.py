"""Nodes: files, folders and links by id, by name and by place in the tree.

Reading functions return an open cursor (store.rows). Writers belong in a transaction that holds
the space's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import queries
from .pools import Connection
from .rows import Rows, ask, ask_one

__all__ = [
    "Content", "Edge", "Found", "Named", "NewNode", "NodeRow", "Placing", "PurgingRow",
    "SubtreeRow", "ancestors",
    "at_path", "by_id", "children", "children_of", "delete", "find_inside",
    "find_prefix", "height", "insert", "named", "place", "purging", "purging_children",
    "set_content", "set_meta", "sink", "spaces_purging", "subtree",
]  # fmt: skip

Q = queries.load(__file__)


class NodeRow(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    kind: str
    flags: int
    version_id: int | None
    size: int
    mtime_ns: int
    mode: int
    target: str | None
    rev: int
    created_at: datetime
    sha256: bytes | None
    blob_state: str | None
    twin: bool


class Edge(NamedTuple):
    node_id: int
    parent_id: int
    kind: str


class Named(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    kind: str
    version_id: int | None
    rev: int
    size: int
    mtime_ns: int
    mode: int
    target: str | None
    blob_id: int | None


class Found(NamedTuple):
    """The order in which names are found, so that a row is its own page mark."""

    folded: str
    parent_id: int
    node_id: int


class SubtreeRow(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    folded: str
    kind: str
    flags: int
    version_id: int | None
    size: int
    mtime_ns: int
    mode: int
    target: str | None
    blob_id: int | None
    sha256: bytes | None


class PurgingRow(NamedTuple):
    node_id: int
    parent_id: int
    kind: str


class NewNode(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    folded: str
    kind: str
    flags: int
    version_id: int | None
    size: int
    mtime_ns: int
    mode: int
    target: str | None
    rev: int


class Content(NamedTuple):
    node_id: int
    version_id: int | None
    size: int
    mtime_ns: int
    mode: int
    target: str | None
    rev: int


class Placing(NamedTuple):
    node_id: int
    parent_id: int
    name: str
    folded: str
    flags: int
    rev: int


async def by_id(conn: Connection, space_id: int, node_ids: Sequence[int]) -> Rows[NodeRow]:
    """In no order; what isn't there is left out."""
    values = {"space_id": space_id, "node_ids": list(node_ids)}
    return await ask(conn, NodeRow, Q["nodes_by_id"], values)


async def children(
    conn: Connection, space_id: int, parent_id: int, after: str, limit: int
) -> Rows[NodeRow]:
    values = {"space_id": space_id, "parent_id": parent_id, "after": after, "limit": limit}
    return await ask(conn, NodeRow, Q["children"], values)


async def children_of(
    conn: Connection, space_id: int, parent_ids: Sequence[int], after: tuple[int, str], limit: int
) -> Rows[NodeRow]:
    values = {
        "space_id": space_id,
        "parent_ids": list(parent_ids),
        "after_parent": after[0],
        "after_name": after[1],
        "limit": limit,
    }
    return await ask(conn, NodeRow, Q["children_of"], values)


async def ancestors(conn: Connection, space_id: int, node_ids: Sequence[int]) -> Rows[Edge]:
    """The edges of the ways up, the nodes' own included."""
    values = {"space_id": space_id, "node_ids": list(node_ids)}
    return await ask(conn, Edge, Q["ancestors"], values)


async def at_path(conn: Connection, space_id: int, names: Sequence[str]) -> Rows[NodeRow]:
    """From the root down; no names are the root itself."""
    values = {"space_id": space_id, "names": list(names)}
    return await ask(conn, NodeRow, Q["at_path"], values)


async def named(conn: Connection, space_id: int, places: Sequence[tuple[int, str]]) -> Rows[Named]:
    """`places`: (parent id, name), each once."""
    values = {
        "space_id": space_id,
        "parent_ids": [parent_id for parent_id, _ in places],
        "names": [name for _, name in places],
    }
    return await ask(conn, Named, Q["named"], values)


async def find_prefix(
    conn: Connection, space_id: int, high: str, after: Found, limit: int
) -> Rows[Found]:
    """Names after a mark up to, not including, `high`, in byte order."""
    values = {"space_id": space_id, "high": high, "limit": limit, **_after(after)}
    return await ask(conn, Found, Q["find_prefix"], values)


async def find_inside(
    conn: Connection, space_id: int, text: str, after: Found, limit: int
) -> Rows[Found]:
    values = {"space_id": space_id, "text": text, "limit": limit, **_after(after)}
    return await ask(conn, Found, Q["find_inside"], values)


def _after(mark: Found) -> dict[str, Any]:
    return {
        "after_folded": mark.folded,
        "after_parent": mark.parent_id,
        "after_node": mark.node_id,
    }


async def subtree(conn: Connection, space_id: int, node_id: int, limit: int) -> Rows[SubtreeRow]:
    """Parents before their children, the node itself first."""
    values = {"space_id": space_id, "node_id": node_id, "limit": limit}
    return await ask(conn, SubtreeRow, Q["subtree"], values)


async def height(conn: Connection, space_id: int, node_id: int, bound: int) -> int:
    """Levels of folders below a folder, `bound` when there are at least as many."""
    values = {"space_id": space_id, "node_id": node_id, "bound": bound}
    return int(await (await ask_one(conn, Q["height"], values)).fetchone() or 0)


async def insert(conn: Connection, space_id: int, new: Sequence[NewNode], now: datetime) -> None:
    columns = (
        "node_ids", "parent_ids", "names", "foldeds", "kinds", "flags", "version_ids", "sizes",
        "mtimes", "modes", "targets", "revs",
    )  # fmt: skip
    values = dict(zip(columns, map(list, zip(*new, strict=True)), strict=True))
    await conn.execute(Q["insert_nodes"], {"space_id": space_id, "now": now, **values})


async def set_content(conn: Connection, space_id: int, contents: Sequence[Content]) -> None:
    columns = ("node_ids", "version_ids", "sizes", "mtimes", "modes", "targets", "revs")
    values = dict(zip(columns, map(list, zip(*contents, strict=True)), strict=True))
    await conn.execute(Q["set_content"], {"space_id": space_id, **values})


async def place(conn: Connection, space_id: int, placings: Sequence[Placing]) -> None:
    columns = ("node_ids", "parent_ids", "names", "foldeds", "flags", "revs")
    values = dict(zip(columns, map(list, zip(*placings, strict=True)), strict=True))
    await conn.execute(Q["place_nodes"], {"space_id": space_id, **values})


async def set_meta(
    conn: Connection, space_id: int, node_id: int, mode: int, mtime_ns: int, rev: int
) -> None:
    values = {"mode": mode, "mtime_ns": mtime_ns, "rev": rev}
    await conn.execute(Q["set_meta"], {"space_id": space_id, "node_id": node_id, **values})


async def purging(conn: Connection, space_id: int, limit: int) -> Rows[PurgingRow]:
    return await ask(conn, PurgingRow, Q["purging"], {"space_id": space_id, "limit": limit})


async def purging_children(
    conn: Connection, space_id: int, parent_ids: Sequence[int], limit: int
) -> Rows[PurgingRow]:
    """Folder after folder in the order given: all before the last row's are complete."""
    values = {"space_id": space_id, "parent_ids": list(parent_ids), "limit": limit}
    return await ask(conn, PurgingRow, Q["purging_children"], values)


async def sink(conn: Connection, space_id: int, node_ids: Sequence[int]) -> None:
    await conn.execute(Q["sink_nodes"], {"space_id": space_id, "node_ids": list(node_ids)})


async def delete(conn: Connection, space_id: int, node_ids: Sequence[int]) -> None:
    await conn.execute(Q["delete_nodes"], {"space_id": space_id, "node_ids": list(node_ids)})


async def spaces_purging(conn: Connection, first_key: int, last_key: int, limit: int) -> Rows[Any]:
    values = {"first_key": first_key, "last_key": last_key, "limit": limit}
    return await ask_one(conn, Q["spaces_purging"], values)
