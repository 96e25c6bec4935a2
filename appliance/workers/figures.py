"""What a worker tells Prometheus beside its jobs' counts: figures that only a database knows.

Every worker asks by itself, so that the loss of one hides nothing; whoever reads them takes the
worst or the best of them, never their sum.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

from prometheus_client import start_http_server

from appliance.domain.clock import Clock
from appliance.domain.errors import Problem
from appliance.settings import Database
from appliance.store import audits, heals, uploads
from appliance.store.pools import Connection, Stores
from appliance.store.routing import buckets
from appliance.store.writable import why_not_writable
from appliance.telemetry import metrics
from appliance.telemetry.logs import get_logger
from appliance.telemetry.metrics import Meters

from .reconcile import ReconcileJob

__all__ = ["Figures", "unexplained"]

_log = get_logger("workers")
_SUMS_SECONDS = 60.0
_PROBE_SECONDS = 15.0
_PATIENCE = 10.0  # less than the pause: a database that hangs is known before the next try
# Far more than the workers' own patience (60 s): only what they can't finish counts.
_STUCK = timedelta(minutes=15)


class Figures:
    """`serve` opens the metrics port and keeps the figures fresh until its context is left."""

    def __init__(
        self,
        meters: Meters,
        stores: Stores,
        databases: tuple[Database, ...],
        clock: Clock,
        patience: float = _PATIENCE,
    ) -> None:
        self._meters = meters
        self._stores = stores
        self._databases = databases
        self._clock = clock
        self._patience = patience

    @contextlib.asynccontextmanager
    async def serve(self, port: int, host: str = "127.0.0.1") -> AsyncIterator[None]:
        server, thread = start_http_server(port, host, registry=self._meters.registry)
        running = [
            asyncio.create_task(self._keep_sums()),
            *(asyncio.create_task(self._keep_probing(each)) for each in self._databases),
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.to_thread(server.shutdown)
            await asyncio.to_thread(thread.join)

    async def _keep_sums(self) -> None:
        while True:
            with contextlib.suppress(Problem):
                for kind, count in (await unexplained(self._stores)).items():
                    self._meters.gauge(metrics.UNEXPLAINED).labels(kind).set(count)
                self._meters.gauge(metrics.UPLOADS_STUCK).set(await self.stuck())
                self._meters.gauge(metrics.HEALS_LATE).set(await self.heals_late())
            await asyncio.sleep(_SUMS_SECONDS)

    async def stuck(self) -> int:
        """Uploads, over all spaces, that no worker gets to their end."""
        return await self._late(uploads.count_stuck)

    async def heals_late(self) -> int:
        """Blobs, over all spaces, that no worker gets off the queue of heals."""
        return await self._late(heals.count_late)

    async def _late(self, count: Callable[[Connection, int, int, datetime], Awaitable[int]]) -> int:
        before = self._clock.now() - _STUCK
        total = 0
        for low, high in buckets():

            async def read(conn: Connection, low: int = low, high: int = high) -> int:
                return await count(conn, low, high, before)

            total += await self._stores.run(max(low, 1), read)
        return total

    async def _keep_probing(self, database: Database) -> None:
        while True:
            why = await why_not_writable(self._stores, database, self._patience)
            if why:
                _log.error("database takes no writes", database=database.name, why=why)
            # The label's first use makes it appear: not before the first answer.
            self._meters.gauge(metrics.DATABASE_WRITABLE).labels(database.name).set(not why)
            await asyncio.sleep(_PROBE_SECONDS)


async def unexplained(stores: Stores) -> dict[str, int]:
    """Differences that the last comparisons found, over all spaces; each must be 0."""
    total = {"orphan": 0, "lost": 0, "size": 0, "upload": 0}
    for low, high in buckets():

        async def read(conn: Connection, low: int = low, high: int = high) -> dict[str, int]:
            return await audits.findings(conn, low, high, ReconcileJob.name)

        for kind, count in (await stores.run(max(low, 1), read)).items():
            total[kind] = total.get(kind, 0) + count
    return total
