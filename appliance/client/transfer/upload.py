"""Carries out a PutPlan: folders level by level, links, small files, big files.

A failure of one thing never ends the run; it is told, and the rest goes on. What is left over is
what the next run's plan finds.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from appliance.client.backoff import Endurance
from appliance.client.blobs import UploadCalls
from appliance.client.transfer.big import BigFiles
from appliance.client.transfer.commit import Wanted, commit, failed
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Listener, Outcome
from appliance.client.transfer.plan import FileJob, PutPlan
from appliance.client.transfer.small import LARGEST, SmallFiles
from appliance.client.transfer.walk import Entry
from appliance.domain.errors import Problem

__all__ = ["carry_out"]

_FILES_AT_ONCE = 3
"""Big files: while one's parts move, the next is cut."""


async def carry_out(
    plan: PutPlan,
    parents: Mapping[str, str],
    uploads: UploadCalls,
    lanes: Lanes,
    listener: Listener,
    endurance: Endurance,
) -> None:
    """`parents`: the folders that exist, path -> node. Outcomes go to the listener."""
    known = dict(parents)
    listener.expect(len(plan.files), plan.bytes)
    if plan.folders:
        listener.phase(f"making {len(plan.folders)} folders")
        await _folders(plan.folders, known, uploads, listener)
    if plan.links:
        for outcome in await _commit(uploads, known, plan.links):
            listener.finished(outcome)
    listener.phase("sending")
    little = [job for job in plan.files if job.entry.size <= LARGEST]
    large = [job for job in plan.files if job.entry.size > LARGEST]
    small = SmallFiles(uploads, lanes, listener, endurance)
    big = BigFiles(uploads, lanes, listener, endurance)
    await small.send(little, known)
    await _each(big, large, known)


async def _folders(
    folders: Sequence[Entry], known: dict[str, str], uploads: UploadCalls, listener: Listener
) -> None:
    levels: dict[int, list[Entry]] = defaultdict(list)
    for entry in folders:
        levels[entry.path.count("/")].append(entry)
    for depth in sorted(levels):
        for outcome in await _commit(uploads, known, levels[depth]):
            if outcome.node is not None:
                known[outcome.path] = outcome.node
            listener.finished(outcome)


async def _commit(
    uploads: UploadCalls, known: Mapping[str, str], entries: Sequence[Entry]
) -> list[Outcome]:
    try:
        return await commit(uploads, known, [Wanted(entry) for entry in entries])
    except Problem as problem:
        return [failed(entry, problem) for entry in entries]


async def _each(big: BigFiles, jobs: Sequence[FileJob], known: Mapping[str, str]) -> None:
    waiting = iter(jobs)

    async def worker() -> None:
        for job in waiting:
            await big.send(job, known)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(_FILES_AT_ONCE, len(jobs))):
            tasks.create_task(worker())
