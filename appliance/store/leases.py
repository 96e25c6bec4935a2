"""Leases: one holder of (key, job) at a time, decided by the primary's clock.

A lease alone proves nothing once a process has been stopped and continued. Each transaction that
relies on it therefore begins with `hold`: it succeeds only while the fence is the latest and the
time isn't over, and keeps the row locked, so that nobody can take over until the transaction ends.
"""

from __future__ import annotations

from . import queries
from .pools import Connection
from .rows import ask_one

__all__ = ["acquire", "hold", "release", "renew"]

Q = queries.load(__file__)


async def acquire(conn: Connection, key: int, job: str, holder: str, seconds: float) -> int | None:
    """The fence, or None while another holds it."""
    values = {"key": key, "job": job, "holder": holder, "seconds": seconds}
    fence = await (await ask_one(conn, Q["acquire_lease"], values)).fetchone()
    return None if fence is None else int(fence)


async def renew(conn: Connection, key: int, job: str, fence: int, seconds: float) -> bool:
    values = {"key": key, "job": job, "fence": fence, "seconds": seconds}
    return await (await ask_one(conn, Q["renew_lease"], values)).fetchone() is not None


async def hold(conn: Connection, key: int, job: str, fence: int) -> bool:
    values = {"key": key, "job": job, "fence": fence}
    return await (await ask_one(conn, Q["hold_lease"], values)).fetchone() is not None


async def release(conn: Connection, key: int, job: str, fence: int) -> None:
    await conn.execute(Q["release_lease"], {"key": key, "job": job, "fence": fence})
