"""Findings of jobs that look at whole spaces: figures by name, whole numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from psycopg.types.json import Jsonb

from . import queries
from .pools import Connection
from .rows import ask_one

__all__ = ["findings", "keep", "spaces_due"]

Q = queries.load(__file__)


async def spaces_due(
    conn: Connection, low: int, high: int, job: str, before: datetime, limit: int
) -> list[int]:
    values = {"low": low, "high": high, "job": job, "before": before, "limit": limit}
    return await (await ask_one(conn, Q["spaces_due"], values)).fetchall()


async def keep(
    conn: Connection, space_id: int, job: str, found: Mapping[str, int], now: datetime
) -> None:
    values = {"space_id": space_id, "job": job, "found": Jsonb(dict(found)), "now": now}
    await conn.execute(Q["store_audit"], values)


async def findings(conn: Connection, low: int, high: int, job: str) -> dict[str, int]:
    rows = await conn.execute(Q["sum_findings"], {"low": low, "high": high, "job": job})
    return {str(row.name): int(row.total) for row in await rows.fetchall()}
