"""Uploads and parts. A row is moved only by compare-and-swap on its state and fence.

Whoever loses a swap reads the row again and goes by what it says now; nobody waits for a lock of
another upload. The space's own lock is taken only to insert rows: see services/begin.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from appliance.domain.upload_states import State

from . import queries
from .pools import Connection
from .rows import Rows, ask

__all__ = [
    "KeyedUpload", "NewUpload", "RecordedPart", "UploadRow", "count_stuck", "explained_keys",
    "finish", "finish_singles", "forget", "forget_parts", "forget_uploaded", "insert", "move",
    "open_by_fingerprints", "open_many", "open_page", "over_tombstones", "record_parts",
    "recorded_parts", "spaces_with_stuck", "spaces_with_tombstones", "stuck",
    "touch", "uploads_by_ids", "uploads_of_keys",
]  # fmt: skip

Q = queries.load(__file__)


class UploadRow(NamedTuple):
    upload_id: int
    author_user_id: int
    fingerprint: bytes
    chunk_class: int
    size: int
    sha256: bytes | None
    chunk_list: bytes
    chunk_count: int
    method: str
    object_key: str
    s3_upload_id: str | None
    state: str
    fence: int
    reserved_bytes: int
    active_at: datetime
    url_expires_at: datetime
    created_at: datetime
    space_id: int


class NewUpload(NamedTuple):
    upload_id: int
    fingerprint: bytes
    chunk_class: int
    size: int
    sha256: bytes | None
    chunk_list: bytes
    chunk_count: int
    method: str
    object_key: str
    state: str
    reserved_bytes: int


class KeyedUpload(NamedTuple):
    object_key: str
    s3_upload_id: str | None
    state: str


class RecordedPart(NamedTuple):
    upload_id: int
    part_no: int
    etag: str


async def _all(conn: Connection, name: str, **values: Any) -> list[Any]:
    return await (await conn.execute(Q[name], values)).fetchall()


async def _rows(conn: Connection, name: str, **values: Any) -> list[UploadRow]:
    return await (await ask(conn, UploadRow, Q[name], values)).fetchall()


async def _ids(conn: Connection, name: str, **values: Any) -> list[int]:
    return [int(row[0]) for row in await _all(conn, name, **values)]


async def open_by_fingerprints(
    conn: Connection, space_id: int, author: int, fingerprints: Sequence[bytes]
) -> Rows[UploadRow]:
    values = {"space_id": space_id, "author": author, "fingerprints": list(fingerprints)}
    return await ask(conn, UploadRow, Q["open_by_fingerprints"], values)


async def insert(
    conn: Connection,
    space_id: int,
    author: int,
    new: Sequence[NewUpload],
    now: datetime,
    url_expires_at: datetime,
) -> list[UploadRow]:
    columns: tuple[tuple[Any, ...], ...] = tuple(zip(*new, strict=True))
    names = ("upload_ids", "fingerprints", "classes", "sizes", "sha256s", "chunk_lists",
             "chunk_counts", "methods", "object_keys", "states", "reserved")  # fmt: skip
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    return await _rows(
        conn,
        "insert_uploads",
        space_id=space_id,
        author=author,
        now=now,
        url_expires_at=url_expires_at,
        **values,
    )


async def uploads_by_ids(
    conn: Connection, space_id: int, upload_ids: Sequence[int]
) -> list[UploadRow]:
    return await _rows(conn, "uploads_by_ids", space_id=space_id, upload_ids=list(upload_ids))


async def open_page(
    conn: Connection, space_id: int, author: int, after: int, limit: int
) -> list[UploadRow]:
    return await _rows(
        conn, "open_page", space_id=space_id, author=author, after=after, limit=limit
    )


async def touch(
    conn: Connection,
    space_id: int,
    upload_ids: Sequence[int],
    now: datetime,
    url_expires_at: datetime,
) -> list[UploadRow]:
    """Before URLs leave; rows that no longer take bytes are missing from the answer."""
    return await _rows(
        conn,
        "touch_uploads",
        space_id=space_id,
        upload_ids=list(upload_ids),
        now=now,
        url_expires_at=url_expires_at,
    )


async def open_many(conn: Connection, space_id: int, opened: dict[int, str]) -> set[int]:
    """The ids whose s3_upload_id is the given one; the others were opened or aborted meanwhile."""
    found = await _ids(
        conn,
        "open_uploads",
        space_id=space_id,
        upload_ids=list(opened),
        s3_upload_ids=list(opened.values()),
    )
    return set(found)


async def move(
    conn: Connection,
    row: UploadRow,
    to: State,
    now: datetime,
    idle_since: datetime | None = None,
) -> UploadRow | None:
    """None when the row isn't what it was any more; nor, if so asked, idle since that time."""
    found = await _rows(
        conn,
        "move_upload",
        space_id=row.space_id,
        upload_id=row.upload_id,
        from_state=row.state,
        to_state=to.value,
        fence=row.fence,
        idle_since=idle_since,
        now=now,
    )
    return found[0] if found else None


async def finish(conn: Connection, row: UploadRow, now: datetime, fresh_until: datetime) -> bool:
    found = await _ids(
        conn,
        "finish_upload",
        space_id=row.space_id,
        upload_id=row.upload_id,
        fence=row.fence,
        now=now,
        fresh_until=fresh_until,
    )
    return bool(found)


async def finish_singles(
    conn: Connection,
    space_id: int,
    upload_ids: Sequence[int],
    now: datetime,
    fresh_until: datetime,
) -> set[int]:
    found = await _ids(
        conn,
        "finish_singles",
        space_id=space_id,
        upload_ids=list(upload_ids),
        now=now,
        fresh_until=fresh_until,
    )
    return set(found)


async def recorded_parts(
    conn: Connection, space_id: int, upload_ids: Sequence[int]
) -> dict[int, dict[int, str]]:
    """Upload id -> part number -> ETag, by rising numbers."""
    found: dict[int, dict[int, str]] = {upload_id: {} for upload_id in upload_ids}
    for row in await _all(conn, "recorded_parts", space_id=space_id, upload_ids=list(upload_ids)):
        found[row.upload_id][row.part_no] = row.etag
    return found


async def record_parts(
    conn: Connection, space_id: int, parts: Sequence[RecordedPart], now: datetime
) -> set[tuple[int, int]]:
    """The (upload, part) pairs that were recorded: those of uploads that are still open."""
    rows = await _all(
        conn,
        "record_parts",
        space_id=space_id,
        upload_ids=sorted({part.upload_id for part in parts}),
        part_uploads=[part.upload_id for part in parts],
        part_nos=[part.part_no for part in parts],
        etags=[part.etag for part in parts],
        now=now,
    )
    return {(int(row.upload_id), int(row.part_no)) for row in rows}


async def forget_parts(
    conn: Connection, space_id: int, upload_id: int, part_nos: Sequence[int]
) -> None:
    await conn.execute(
        Q["forget_parts"],
        {"space_id": space_id, "upload_id": upload_id, "part_nos": list(part_nos)},
    )


async def forget(conn: Connection, row: UploadRow) -> bool:
    """A tombstone and its parts; the key must have been purged once more before."""
    gone = await _ids(
        conn, "forget_upload", space_id=row.space_id, upload_id=row.upload_id, fence=row.fence
    )
    if gone:
        await conn.execute(Q["forget_all_parts"], {"space_id": row.space_id, "upload_ids": gone})
    return bool(gone)


async def forget_uploaded(conn: Connection, space_id: int, upload_ids: Sequence[int]) -> int:
    gone = await _ids(conn, "forget_uploaded", space_id=space_id, upload_ids=list(upload_ids))
    await conn.execute(Q["forget_all_parts"], {"space_id": space_id, "upload_ids": gone})
    return len(gone)


async def stuck(
    conn: Connection, space_id: int, idle_before: datetime, stuck_before: datetime, limit: int
) -> list[tuple[int, str]]:
    rows = await _all(
        conn,
        "stuck_uploads",
        space_id=space_id,
        idle_before=idle_before,
        stuck_before=stuck_before,
        limit=limit,
    )
    return [(int(row.upload_id), str(row.state)) for row in rows]


async def over_tombstones(
    conn: Connection, space_id: int, before: datetime, limit: int
) -> list[tuple[int, str]]:
    rows = await _all(conn, "over_tombstones", space_id=space_id, before=before, limit=limit)
    return [(int(row.upload_id), str(row.state)) for row in rows]


async def spaces_with_stuck(
    conn: Connection, low: int, high: int, idle_before: datetime, stuck_before: datetime
) -> list[int]:
    return await _ids(
        conn,
        "spaces_with_stuck_uploads",
        low=low,
        high=high,
        idle_before=idle_before,
        stuck_before=stuck_before,
    )


async def count_stuck(conn: Connection, low: int, high: int, stuck_before: datetime) -> int:
    rows = await _all(conn, "count_stuck_uploads", low=low, high=high, stuck_before=stuck_before)
    return int(rows[0].stuck)


async def spaces_with_tombstones(
    conn: Connection, low: int, high: int, before: datetime
) -> list[int]:
    return await _ids(conn, "spaces_with_tombstones", low=low, high=high, before=before)


async def explained_keys(conn: Connection, space_id: int, keys: Sequence[str]) -> set[str]:
    rows = await _all(conn, "explained_keys", space_id=space_id, object_keys=list(keys))
    return {str(row.object_key) for row in rows}


async def uploads_of_keys(
    conn: Connection, space_id: int, keys: Sequence[str]
) -> dict[str, KeyedUpload]:
    rows = await _all(conn, "uploads_of_keys", space_id=space_id, object_keys=list(keys))
    return {str(row.object_key): KeyedUpload(*row) for row in rows}
