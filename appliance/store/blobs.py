"""Stored bytes: found by fingerprint, kept while referred to, and their death.

A blob is matched and referred to only while it is `live`. `dying` is final; `quarantined` ends
by a scrub that reads every byte, or with its last version.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from . import queries
from .pools import Connection
from .rows import Rows, ask

__all__ = [
    "BlobRow", "ContentRow", "KeyedBlob", "References", "blobs_by_ids", "blobs_of_keys",
    "content_of_nodes", "dead", "forget", "keep_fresh", "keys_page", "let_die", "nodes_showing",
    "quarantine", "references", "spaces_with_dead", "spaces_with_unused", "unused",
    "usable_by_fingerprints",
]  # fmt: skip

Q = queries.load(__file__)


class BlobRow(NamedTuple):
    blob_id: int
    author_user_id: int
    fingerprint: bytes
    chunk_class: int
    raw_size: int
    sha256: bytes | None
    chunk_list: bytes
    object_key: str
    proven: bool
    state: str
    charged: bool
    fresh_until: datetime
    created_at: datetime
    space_id: int


class References(NamedTuple):
    blob_id: int
    fresh_until: datetime
    versions: int
    pins: int


class KeyedBlob(NamedTuple):
    blob_id: int
    object_key: str
    stored_size: int
    object_offset: int
    state: str


class ContentRow(NamedTuple):
    """`version_id` is None for what has no such version; the blob's columns for the empty file."""

    place: int
    node_id: int
    parent_id: int
    name: str
    kind: str
    version_id: int | None
    size: int | None
    sha256: bytes | None
    blob_id: int | None
    object_key: str | None
    object_offset: int | None
    stored_size: int | None
    state: str | None
    fingerprint: bytes | None
    chunk_list: bytes | None
    share_epoch: int


async def _all(conn: Connection, name: str, **values: Any) -> list[Any]:
    return await (await conn.execute(Q[name], values)).fetchall()


async def _ids(conn: Connection, name: str, **values: Any) -> list[int]:
    return [int(row[0]) for row in await _all(conn, name, **values)]


async def usable_by_fingerprints(
    conn: Connection, space_id: int, author: int, fingerprints: Sequence[bytes], now: datetime
) -> Rows[BlobRow]:
    values = {
        "space_id": space_id,
        "author": author,
        "fingerprints": list(fingerprints),
        "now": now,
    }
    return await ask(conn, BlobRow, Q["usable_by_fingerprints"], values)


async def blobs_by_ids(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> list[BlobRow]:
    values = {"space_id": space_id, "blob_ids": list(blob_ids)}
    return await (await ask(conn, BlobRow, Q["blobs_by_ids"], values)).fetchall()


async def keep_fresh(
    conn: Connection, space_id: int, blob_ids: Sequence[int], now: datetime, fresh_until: datetime
) -> set[int]:
    """The ones that are still kept: only these may be named to a client."""
    found = await _ids(
        conn,
        "keep_fresh",
        space_id=space_id,
        blob_ids=list(blob_ids),
        now=now,
        fresh_until=fresh_until,
    )
    return set(found)


async def quarantine(conn: Connection, space_id: int, blob_id: int) -> bool:
    return bool(await _ids(conn, "quarantine", space_id=space_id, blob_id=blob_id))


async def nodes_showing(conn: Connection, space_id: int, blob_id: int) -> list[int]:
    return await _ids(conn, "nodes_showing", space_id=space_id, blob_id=blob_id)


async def unused(conn: Connection, space_id: int, now: datetime, limit: int) -> list[int]:
    return await _ids(conn, "unused_blobs", space_id=space_id, now=now, limit=limit)


async def references(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> list[References]:
    rows = await _all(conn, "references", space_id=space_id, blob_ids=list(blob_ids))
    return [References(*row) for row in rows]


async def let_die(conn: Connection, space_id: int, blob_ids: Sequence[int], now: datetime) -> int:
    return len(await _ids(conn, "let_die", space_id=space_id, blob_ids=list(blob_ids), now=now))


async def dead(
    conn: Connection, space_id: int, before: datetime, limit: int
) -> list[tuple[int, str]]:
    rows = await _all(conn, "dead_blobs", space_id=space_id, before=before, limit=limit)
    return [(int(row.blob_id), str(row.object_key)) for row in rows]


async def forget(conn: Connection, space_id: int, blob_ids: Sequence[int]) -> int:
    return len(await _ids(conn, "forget_blobs", space_id=space_id, blob_ids=list(blob_ids)))


async def spaces_with_unused(conn: Connection, low: int, high: int, now: datetime) -> list[int]:
    return await _ids(conn, "spaces_with_unused_blobs", low=low, high=high, now=now)


async def spaces_with_dead(conn: Connection, low: int, high: int, before: datetime) -> list[int]:
    return await _ids(conn, "spaces_with_dead_blobs", low=low, high=high, before=before)


async def keys_page(conn: Connection, space_id: int, after: int, limit: int) -> list[KeyedBlob]:
    rows = await _all(conn, "blob_keys_page", space_id=space_id, after=after, limit=limit)
    return [KeyedBlob(*row) for row in rows]


async def blobs_of_keys(
    conn: Connection, space_id: int, keys: Sequence[str]
) -> dict[str, KeyedBlob]:
    rows = await _all(conn, "blobs_of_keys", space_id=space_id, object_keys=list(keys))
    return {str(row.object_key): KeyedBlob(*row) for row in rows}


async def content_of_nodes(
    conn: Connection,
    space_id: int,
    wanted: Sequence[tuple[int, int, int | None]],
    chunk_bytes: int,
) -> Rows[ContentRow]:
    """`wanted`: place, node, version (None: current). Packed chunk lists up to `chunk_bytes`."""
    values = {
        "space_id": space_id,
        "places": [place for place, _, _ in wanted],
        "node_ids": [node_id for _, node_id, _ in wanted],
        "version_ids": [version_id for _, _, version_id in wanted],
        "chunk_bytes": chunk_bytes,
    }
    return await ask(conn, ContentRow, Q["content_of_nodes"], values)
