"""Versions of files, and blobs as versions use them.

A blob is charged to its space from its first version to the loss of its last one. Writers belong
in a transaction that holds the space's lock; within it, write in this order: versions first, then
`release`, which looks for the versions that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from . import queries
from .pools import Connection
from .rows import Rows, ask

__all__ = [
    "BlobRow", "ChunkListRow", "FullHistory", "HistoryRow", "NewVersion", "OfNode", "VersionRow",
    "charge", "chunk_list", "delete", "full_histories", "history", "insert",
    "of_nodes", "one", "page", "release", "usable_blobs",
]  # fmt: skip

Q = queries.load(__file__)


class VersionRow(NamedTuple):
    version_id: int
    blob_id: int | None
    size: int
    sha256: bytes | None
    mtime_ns: int
    mode: int
    author_user_id: int
    device: str
    created_at: datetime
    blob_state: str | None


class ChunkListRow(NamedTuple):
    version_id: int
    chunk_class: int | None
    chunk_list: bytes | None
    blob_state: str | None
    blob_id: int | None


class FullHistory(NamedTuple):
    node_id: int
    version_ids: list[int]
    blob_ids: list[int | None]


class HistoryRow(NamedTuple):
    version_id: int
    blob_id: int | None


class OfNode(NamedTuple):
    node_id: int
    version_id: int
    blob_id: int | None


class BlobRow(NamedTuple):
    blob_id: int
    raw_size: int
    stored_size: int
    state: str  # of domain.commits.BlobState
    proven: bool
    author_user_id: int
    charged: bool
    sha256: bytes | None


class NewVersion(NamedTuple):
    version_id: int
    node_id: int
    blob_id: int | None
    size: int
    sha256: bytes | None
    mtime_ns: int
    mode: int
    device: str


async def page(
    conn: Connection, space_id: int, node_id: int, before: int, limit: int
) -> Rows[VersionRow]:
    values = {"space_id": space_id, "node_id": node_id, "before": before, "limit": limit}
    return await ask(conn, VersionRow, Q["versions"], values)


async def one(conn: Connection, space_id: int, node_id: int, version_id: int) -> Rows[VersionRow]:
    values = {"space_id": space_id, "node_id": node_id, "version_id": version_id}
    return await ask(conn, VersionRow, Q["version"], values)


async def chunk_list(
    conn: Connection, space_id: int, node_id: int, version_id: int
) -> Rows[ChunkListRow]:
    values = {"space_id": space_id, "node_id": node_id, "version_id": version_id}
    return await ask(conn, ChunkListRow, Q["chunk_list"], values)


async def full_histories(
    conn: Connection, space_id: int, places: Sequence[tuple[int, str]]
) -> Rows[FullHistory]:
    values = {
        "space_id": space_id,
        "parent_ids": [parent_id for parent_id, _ in places],
        "names": [name for _, name in places],
    }
    return await ask(conn, FullHistory, Q["full_histories"], values)


async def history(conn: Connection, space_id: int, node_id: int) -> Rows[HistoryRow]:
    return await ask(conn, HistoryRow, Q["history"], {"space_id": space_id, "node_id": node_id})


async def of_nodes(
    conn: Connection, space_id: int, node_ids: Sequence[int], limit: int
) -> Rows[OfNode]:
    values = {"space_id": space_id, "node_ids": list(node_ids), "limit": limit}
    return await ask(conn, OfNode, Q["versions_of"], values)


async def usable_blobs(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> Rows[BlobRow]:
    values = {"space_id": space_id, "blob_ids": list(blob_ids)}
    return await ask(conn, BlobRow, Q["usable_blobs"], values)


async def insert(
    conn: Connection,
    space_id: int,
    new: Sequence[NewVersion],
    *,
    author: int,
    now: datetime,
) -> None:
    columns = (
        "version_ids",
        "node_ids",
        "blob_ids",
        "sizes",
        "sha256s",
        "mtimes",
        "modes",
        "devices",
    )
    arrays = dict(zip(columns, map(list, zip(*new, strict=True)), strict=True))
    values = {"space_id": space_id, "author": author, "now": now}
    await conn.execute(Q["insert_versions"], {**values, **arrays})


async def delete(conn: Connection, space_id: int, version_ids: Sequence[int]) -> None:
    values = {"space_id": space_id, "version_ids": list(version_ids)}
    await conn.execute(Q["delete_versions"], values)


async def charge(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> None:
    """The bytes themselves are added by spaces.advance."""
    await conn.execute(Q["charge_blobs"], {"space_id": space_id, "blob_ids": list(blob_ids)})


async def release(
    conn: Connection, space_id: int, blob_ids: Sequence[int], fresh_until: datetime
) -> None:
    """Takes what it frees from the space's used bytes as well."""
    values = {"space_id": space_id, "blob_ids": list(blob_ids), "fresh_until": fresh_until}
    await conn.execute(Q["release_blobs"], values)
