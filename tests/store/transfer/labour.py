"""Jobs at work in one space, as workers run them: planned, leased, executed, counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from appliance.services.trash import Trash
from appliance.store.pools import Connection
from appliance.telemetry.metrics import Meters
from appliance.workers.blobs import BlobsJob
from appliance.workers.holding import Lease
from appliance.workers.job import Action, Job
from appliance.workers.reconcile import ReconcileJob
from appliance.workers.runner import Runner
from appliance.workers.scrub import ScrubJob
from appliance.workers.trash import PurgingJob, TrashJob
from appliance.workers.uploads import UploadsJob

from .world import World


class Here:
    """A job that looks at one space only: other tests' leftovers are theirs."""

    def __init__(self, job: Job, space_id: int) -> None:
        self._job = job
        self._space_id = space_id
        self.name, self.every, self.repeats = job.name, job.every, job.repeats

    async def due(self, conn: Connection, low: int, high: int) -> Sequence[int]:
        if not low <= self._space_id <= high:
            return []
        return [key for key in await self._job.due(conn, low, high) if key == self._space_id]

    async def plan(self, key: int) -> Sequence[Action]:
        return await self._job.plan(key)

    async def execute(self, key: int, action: Action, lease: Lease) -> Counter[str]:
        return await self._job.execute(key, action, lease)


class Labour:
    def __init__(self, world: World, trash: Trash) -> None:
        self.world = world
        shared = {"stores": world.stores, "clock": world.clock}
        full = {**shared, "control": world.control, "limits": world.limits}
        self.uploads = UploadsJob(completion=world.completion, **full)
        self.blobs = BlobsJob(observe=world.observe, **full)
        self.trash = TrashJob(trash=trash, limits=world.limits, **shared)
        self.purging = PurgingJob(stores=world.stores, trash=trash)
        self.reconcile = ReconcileJob(reader=world.reader, **full)
        self.scrub = ScrubJob(reader=world.reader, control=world.control, **shared)

    def runner(self, holder: str = "test") -> Runner:
        return Runner(
            stores=self.world.stores,
            holder=holder,
            meters=Meters("worker"),
            uniform=random.uniform,
        )

    async def run(self, job: Job) -> dict[str, int]:
        """What was done, by action; fails for a run that failed."""
        runner = self.runner()
        done = await runner.run(Here(job, self.world.home.space_id))
        assert runner.failures == 0, "see the log"
        return {action: count for action, count in done.items() if count}

    async def plan(self, job: Job) -> list[str]:
        lines: list[str] = []
        await self.runner().plan(
            Here(job, self.world.home.space_id), lambda _, __, action: lines.append(str(action))
        )
        return lines
