"""Holding a lease: renewed while work goes on, checked inside each transaction.

Time that only this process sees proves nothing (it may have been stopped), so nothing is decided
by it here: the primary's clock and the fence are asked in the same transaction that acts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from appliance.domain.errors import Problem
from appliance.store import leases
from appliance.store.pools import Connection, Stores

__all__ = ["Lease", "LeaseLostError", "held"]


class LeaseLostError(Exception):
    """Another holder may be at work: nothing more may be done under this lease."""


@dataclass(frozen=True, slots=True)
class Lease:
    key: int
    job: str
    fence: int

    async def guard(self, conn: Connection) -> None:
        """First in each transaction; raises LeaseLostError."""
        if not await leases.hold(conn, self.key, self.job, self.fence):
            raise LeaseLostError(f"{self.job} of {self.key} is someone else's now")


@asynccontextmanager
async def held(
    stores: Stores, key: int, job: str, holder: str, seconds: float
) -> AsyncIterator[Lease | None]:
    """None while another holds it."""

    async def take(conn: Connection) -> int | None:
        return await leases.acquire(conn, key, job, holder, seconds)

    fence = await stores.run(key, take)
    if fence is None:
        yield None
        return
    lease = Lease(key, job, fence)
    renewing = asyncio.create_task(_renew(stores, lease, seconds))
    try:
        yield lease
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        with contextlib.suppress(Problem):
            await stores.run(key, lambda conn: leases.release(conn, key, job, lease.fence))


async def _renew(stores: Stores, lease: Lease, seconds: float) -> None:
    """Until it is lost: then the next guard says so."""
    while True:
        await asyncio.sleep(seconds / 3)
        with contextlib.suppress(Problem):
            if not await stores.run(
                lease.key,
                lambda conn: leases.renew(conn, lease.key, lease.job, lease.fence, seconds),
            ):
                return
