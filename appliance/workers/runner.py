"""Runs jobs: bucket by bucket, space by space, each under its lease, until told to stop.

Pauses are spread by up to a quarter, so that processes which were started together don't keep
asking together. A space whose run fails is left for the next look; the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from appliance.domain.errors import Problem
from appliance.store.pools import Connection, Stores
from appliance.store.routing import buckets
from appliance.telemetry import metrics
from appliance.telemetry.logs import get_logger
from appliance.telemetry.metrics import Meters

from .holding import Lease, LeaseLostError, held
from .job import Action, Done, Job

__all__ = ["Runner"]

_ROUNDS = 1000  # plans of one space in one run: the rest waits for the next look
LEASE_SECONDS = 60.0
Report = Callable[[str, int, Action], None]


class Runner:
    """`holder` names this process in the leases; `uniform(a, b)` spreads the pauses."""

    def __init__(
        self,
        *,
        stores: Stores,
        holder: str,
        meters: Meters,
        uniform: Callable[[float, float], float],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._stores = stores
        self._holder = holder
        self._meters = meters
        self._uniform = uniform
        self._lease_seconds = lease_seconds
        self._log = get_logger("workers")
        self._stop = asyncio.Event()
        self.failures = 0

    def stop(self) -> None:
        """After the step that is under way; the leases are given back."""
        self._stop.set()

    async def forever(self, jobs: Sequence[Job]) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(self._loop(job))

    async def _loop(self, job: Job) -> None:
        while not self._stop.is_set():
            try:
                await self.run(job)
            except Problem as problem:
                self._log.warning("job put off", job=job.name, code=problem.code)
            except Exception:
                self._log.exception("job failed", job=job.name)
            pause = job.every * self._uniform(0.75, 1.25)
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                continue

    async def run(self, job: Job) -> Done:
        """One look at all buckets; a database that is down hides only its own."""
        done = Done()
        failed: Problem | None = None
        for low, high in buckets():
            if self._stop.is_set():
                break
            try:
                done += await self._bucket(job, low, high)
            except Problem as problem:
                failed = problem
        if failed is not None:
            raise failed
        return done

    async def plan(self, job: Job, report: Report) -> None:
        """A dry run: everything that `run` would do first, and nothing done."""
        for low, high in buckets():
            for key in await self._due(job, low, high):
                for action in await job.plan(key):
                    report(job.name, key, action)

    async def _due(self, job: Job, low: int, high: int) -> Sequence[int]:
        async def ask(conn: Connection) -> Sequence[int]:
            return await job.due(conn, low, high)

        return await self._stores.run(max(low, 1), ask)

    async def _bucket(self, job: Job, low: int, high: int) -> Done:
        done = Done()
        for key in await self._due(job, low, high):
            if self._stop.is_set():
                break
            done += await self._space(job, key)
        return done

    async def _space(self, job: Job, key: int) -> Done:
        done = Done()
        started = time.monotonic()
        try:
            async with held(
                self._stores, key, job.name, self._holder, self._lease_seconds
            ) as lease:
                if lease is None:
                    return done
                await self._rounds(job, key, lease, done)
            result = "done"
        except LeaseLostError:
            result = "lost"
        except Exception as error:
            result = "failed"
            self.failures += 1
            code = error.code if isinstance(error, Problem) else "internal"
            self._log.warning(
                "run failed", job=job.name, code=code,
                exc_info=None if isinstance(error, Problem) else error,
            )  # fmt: skip
        self._count(job, result, done, time.monotonic() - started)
        return done

    async def _rounds(self, job: Job, key: int, lease: Lease, done: Done) -> None:
        """Plans again while there is more than one plan holds: a round that did nothing ends it."""
        for _ in range(_ROUNDS):
            before = done.total()
            for action in await job.plan(key):
                if self._stop.is_set():
                    return
                done.update(await job.execute(key, action, lease))
            if done.total() == before or not job.repeats:
                return

    def _count(self, job: Job, result: str, done: Done, seconds: float) -> None:
        self._meters.counter(metrics.JOB_RUNS).labels(job.name, result).inc()
        self._meters.histogram(metrics.JOB_SECONDS).labels(job.name).observe(seconds)
        for action, count in done.items():
            self._meters.counter(metrics.JOB_ITEMS).labels(job.name, action).inc(count)
        if failures := done.get("failed", 0):
            self._meters.counter(metrics.SCRUB_FAILURES).inc(failures)
        if done:
            self._log.info("done", job=job.name, **done)
