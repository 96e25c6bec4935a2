"""One worker process: all jobs made from the settings, run for ever, once, or only planned."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import appliance
from appliance.domain.errors import Problem
from appliance.objects import drives
from appliance.objects.reader import ObjectReader
from appliance.settings import Settings
from appliance.telemetry import metrics, systemd
from appliance.telemetry.logs import get_logger
from appliance.telemetry.metrics import Meters
from appliance.wiring import AppServices, wire

from .blobs import BlobsJob
from .figures import Figures
from .heal import HealJob
from .housekeeping import AnswersJob, OutboxJob, SessionsJob
from .job import Action, Job
from .reconcile import ReconcileJob
from .runner import LEASE_SECONDS, Runner
from .scrub import ScrubJob
from .trash import PurgingJob, TrashJob
from .uploads import UploadsJob

__all__ = ["JOBS", "Options", "make_jobs", "serve"]

JOBS = (
    "uploads", "blobs", "trash", "purging", "outbox", "answers", "sessions", "reconcile", "scrub",
    "heal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """`every` (seconds) replaces each job's own pause; `jobs` empty means all of them."""

    once: bool = False
    dry_run: bool = False
    jobs: tuple[str, ...] = ()
    every: float | None = None
    metrics_port: int | None = None
    stuck_seconds: float = 60.0
    lease_seconds: float = LEASE_SECONDS
    scrub_sample: int = 100
    period_seconds: float = 86400.0


async def serve(settings: Settings, options: Options) -> int:
    """The exit code: 1 when a run of `once` or `dry_run` failed for some space."""
    meters = Meters("worker")
    meters.gauge(metrics.START_TIME).labels(appliance.__version__).set(time.time())
    async with wire(settings) as services, ObjectReader(settings.store) as reader:
        runner = Runner(
            stores=services.stores,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            meters=meters,
            uniform=random.uniform,
            lease_seconds=options.lease_seconds,
        )
        loop = asyncio.get_running_loop()

        def stop() -> None:
            systemd.tell(systemd.STOPPING)
            runner.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        jobs = make_jobs(services, reader, options)
        if options.dry_run or options.once:
            return await _once(runner, jobs, options.dry_run)
        async with AsyncExitStack() as stack:
            if options.metrics_port is not None:
                figures = Figures(meters, services.stores, settings.databases, services.clock)
                place = (options.metrics_port, settings.metrics_host)
                await stack.enter_async_context(figures.serve(*place))
            get_logger("workers").info("working", jobs=[job.name for job in jobs])
            async with systemd.announced():
                await runner.forever(jobs)
    return 0


async def _once(runner: Runner, jobs: Sequence[Job], dry_run: bool) -> int:
    def report(job: str, key: int, action: Action) -> None:
        sys.stdout.write(f"{job} {key:016x}: {action}\n")

    failed = False
    for job in jobs:
        try:
            if dry_run:
                await runner.plan(job, report)
                continue
            done = await runner.run(job)
            figures = " ".join(f"{name}={count}" for name, count in sorted(done.items()))
            sys.stdout.write(f"{job.name}: {figures or 'nothing to do'}\n")
        except Problem as problem:
            sys.stderr.write(f"{job.name}: {problem}\n")
            failed = True
    return int(failed or runner.failures > 0)


def make_jobs(services: AppServices, reader: ObjectReader, options: Options) -> list[Job]:
    """In the order in which one's work makes another's."""
    stores, clock, control = services.stores, services.clock, services.control
    limits, store = services.settings.limits, services.settings.store
    everything: list[Job] = [
        UploadsJob(
            stores=stores, control=control, completion=services.completion, clock=clock,
            limits=limits, stuck_seconds=options.stuck_seconds,
        ),
        TrashJob(stores=stores, trash=services.trash, clock=clock, limits=limits),
        PurgingJob(stores=stores, trash=services.trash),
        BlobsJob(stores=stores, control=control, clock=clock, limits=limits),
        OutboxJob(stores=stores, users=services.users),
        AnswersJob(stores=stores, clock=clock),
        SessionsJob(stores=stores, clock=clock, limits=limits),
        ReconcileJob(
            stores=stores, control=control, reader=reader, clock=clock, limits=limits,
            period_seconds=options.period_seconds,
        ),
        ScrubJob(
            stores=stores, reader=reader, control=control, clock=clock,
            sample=options.scrub_sample, period_seconds=options.period_seconds,
        ),
        HealJob(
            stores=stores, control=control,
            look=functools.partial(drives.look, store) if store.kind == "minio" else None,
        ),
    ]  # fmt: skip
    wanted = [job for job in everything if not options.jobs or job.name in options.jobs]
    for job in wanted:
        job.every = job.every if options.every is None else options.every
    return wanted
