"""Carries out a PullPlan: folders, links, small files in batches, big files by ranges in parallel.

A ticket lives for minutes: each batch gets its own just before it is fetched, and one that expires
on the way is replaced. A failure of one thing is told and the rest goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from appliance.client.backoff import Endurance
from appliance.client.blobs import BlobCalls
from appliance.client.errors import ChunkMismatch, Protocol, Unreachable, from_os
from appliance.client.transfer import landing
from appliance.client.transfer.commit import problem_of
from appliance.client.transfer.get_bytes import BadChunk, TicketExpired, fetch, whole
from appliance.client.transfer.landing import PartFile
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Listener, Outcome, Result
from appliance.client.transfer.pull_plan import PullJob, PullPlan, Remote
from appliance.domain.errors import Problem
from appliance.wire.nodes import Chunk, Node, Ticket, TicketOutcome, TicketTarget

__all__ = ["Download", "ranges"]

_SMALL = 5 << 20
_FILES = 500
_BYTES = 64 << 20
_OVERLAP = 3
_FILES_AT_ONCE = 3
_RANGE = 8 << 20
_TICKETS = 3


def ranges(chunks: Sequence[Chunk], done: set[int]) -> list[list[Chunk]]:
    """What is missing, as runs of neighbours of about 8 MiB: one request each."""
    found: list[list[Chunk]] = []
    size = 0
    for chunk in chunks:
        if chunk.index in done:
            continue
        if found and size < _RANGE and found[-1][-1].index + 1 == chunk.index:
            found[-1].append(chunk)
            size += chunk.length
        else:
            found.append([chunk])
            size = chunk.length
    return found


@dataclass(frozen=True, slots=True)
class Download:
    blobs: BlobCalls
    lanes: Lanes
    listener: Listener
    endurance: Endurance

    async def carry_out(self, plan: PullPlan) -> None:
        self.listener.expect(len(plan.files), plan.bytes)
        made = [remote for remote in plan.folders if self._local(remote, landing.folder)]
        for remote in plan.links:
            if self._local(remote, landing.link):
                self.listener.finished(_outcome(remote, "fetched"))
        self.listener.phase("fetching")
        small = [job for job in plan.files if job.remote.node.size < _SMALL]
        large = [job for job in plan.files if job.remote.node.size >= _SMALL]
        await self._batches(small)
        await self._each(large)
        for remote in reversed(made):
            if self._local(remote, landing.dress):
                self.listener.finished(_outcome(remote, "fetched"))

    def _local(self, remote: Remote, work: Callable[[str, Node], None]) -> bool:
        try:
            work(remote.local, remote.node)
        except OSError as error:
            self.listener.finished(_failed(remote, from_os(error, remote.local)))
            return False
        return True

    async def _batches(self, jobs: Sequence[PullJob]) -> None:
        room = asyncio.Semaphore(_OVERLAP)

        async def one(batch: Sequence[PullJob]) -> None:
            try:
                for outcome in await self._batch(batch):
                    self.listener.finished(outcome)
            finally:
                room.release()

        async with asyncio.TaskGroup() as tasks:
            for batch in _cut(jobs):
                await room.acquire()
                tasks.create_task(one(batch))

    async def _batch(self, jobs: Sequence[PullJob]) -> list[Outcome]:
        done: list[Outcome] = []
        for _ in range(_TICKETS):
            try:
                tickets = await self.blobs.tickets([_target(job) for job in jobs])
            except Problem as problem:
                return done + [_failed(job.remote, problem) for job in jobs]
            fetched = await self.lanes.drain(
                list(zip(jobs, tickets.items, strict=True)), lambda item: self._small(*item)
            )
            again: list[PullJob] = []
            for job, result in zip(jobs, fetched, strict=True):
                if isinstance(result, Outcome):
                    done.append(result)
                elif isinstance(result, BadChunk):
                    done.append(_failed(job.remote, await self.report(job, result.index)))
                else:
                    again.append(job)
            if not (jobs := again):
                return done
        return done + [_failed(job.remote, _refused(job)) for job in jobs]

    def _small(self, job: PullJob, answer: TicketOutcome) -> Outcome | BadChunk | TicketExpired:
        """In a lane."""
        remote = job.remote
        try:
            ticket = _granted(job, answer)
            data = bytearray()
            if ticket.url is not None:
                if not answer.chunks or len(answer.chunks) != 1:
                    raise Protocol(f"{remote.path}: the server gave no chunk list.")
                data = whole(self.lanes, ticket.url, answer.chunks[0], self.endurance)
            landing.small(remote.local, data, remote.node)
        except (BadChunk, TicketExpired) as cause:
            return cause
        except OSError as error:
            return _failed(remote, from_os(error, remote.local))
        except Problem as problem:
            return _failed(remote, problem)
        return _outcome(remote, "fetched", sent=len(data), chunks=1 if data else 0)

    async def _each(self, jobs: Sequence[PullJob]) -> None:
        waiting = iter(jobs)

        async def worker() -> None:
            for job in waiting:
                try:
                    outcome = await self._large(job)
                except OSError as error:
                    outcome = _failed(job.remote, from_os(error, job.remote.local))
                except Problem as problem:
                    outcome = _failed(job.remote, problem)
                self.listener.finished(outcome)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(_FILES_AT_ONCE, len(jobs))):
                tasks.create_task(worker())

    async def _large(self, job: PullJob) -> Outcome:
        remote = job.remote
        [answer] = (await self.blobs.tickets([_target(job)])).items
        ticket = _granted(job, answer)
        chunks = answer.chunks
        if chunks is None:
            chunks = (await self.blobs.chunks(remote.node.id, ticket.version)).items
        part = await asyncio.to_thread(landing.PartFile, remote.local, remote.node)
        try:
            done = await asyncio.to_thread(part.proven, chunks)
            kept = sum(chunk.length for chunk in chunks if chunk.index in done)
            self.listener.skipped(kept)
            runs = ranges(chunks, done)
            self.listener.explain(
                f"{remote.path}: {job.why}; {len(chunks) - len(done)} of {len(chunks)} chunks to "
                f"fetch in {len(runs)} ranges, {self.lanes.width} at once"
            )
            await _Fetcher(self, job, ticket, part).run(runs)
            await asyncio.to_thread(part.land)
        finally:
            part.close()
        sent = remote.node.size - kept
        return _outcome(remote, "fetched", sent=sent, chunks=len(chunks))

    async def report(self, job: PullJob, index: int) -> ChunkMismatch:
        node = job.remote.node
        version = job.version or node.version
        text = f"{job.remote.path}: chunk {index} arrived twice with other bytes than were stored."
        if version is not None:
            try:
                await self.blobs.mismatch(node.id, version, index)
            except Problem as problem:
                return ChunkMismatch(f"{text} It couldn't be reported: {problem}")
        return ChunkMismatch(f"{text} It was reported; the server will check the stored copy.")


class _Fetcher:
    """The ranges of one file, with one ticket at a time for all of them."""

    def __init__(self, download: Download, job: PullJob, ticket: Ticket, part: PartFile) -> None:
        self._download = download
        self._job = job
        self._ticket = ticket
        self._part = part
        self._renewing = asyncio.Lock()

    async def run(self, runs: Sequence[list[Chunk]]) -> None:
        waiting = iter(runs)

        async def worker() -> None:
            for chunks in waiting:
                await self._range(chunks)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(16, len(runs))):
                    tasks.create_task(worker())
        except ExceptionGroup as group:
            first = group.exceptions[0]
            if isinstance(first, BadChunk):
                raise await self._download.report(self._job, first.index) from None
            raise first from None

    async def _range(self, chunks: list[Chunk]) -> None:
        for _ in range(_TICKETS):
            ticket = self._ticket
            if ticket.url is None:
                raise Protocol(f"{self._job.remote.path}: the server gave no download address.")
            try:
                await self._download.lanes.run(
                    partial(
                        fetch,
                        self._download.lanes,
                        ticket.url,
                        chunks,
                        ticket.size,
                        self._part.write,
                        self._download.endurance,
                    )
                )
            except TicketExpired:
                await self._renew(ticket)
            else:
                return
        raise _refused(self._job)

    async def _renew(self, old: Ticket) -> None:
        async with self._renewing:
            if self._ticket is old:
                [answer] = (await self._download.blobs.tickets([_target(self._job)])).items
                self._ticket = _granted(self._job, answer)


def _cut(jobs: Sequence[PullJob]) -> Iterator[list[PullJob]]:
    batch: list[PullJob] = []
    size = 0
    for job in jobs:
        if batch and (len(batch) == _FILES or size + job.remote.node.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += job.remote.node.size
    if batch:
        yield batch


def _target(job: PullJob) -> TicketTarget:
    """The version that the plan saw, so that a change meanwhile can't mix two."""
    node = job.remote.node
    return TicketTarget(node=node.id, version=job.version or node.version)


def _granted(job: PullJob, answer: TicketOutcome) -> Ticket:
    if answer.ticket is None:
        raise problem_of(answer.code, answer.detail, job.remote.path)
    return answer.ticket


def _refused(job: PullJob) -> Problem:
    return Unreachable(f"{job.remote.path}: its download address was refused three times.")


def _outcome(remote: Remote, result: Result, *, sent: int = 0, chunks: int = 0) -> Outcome:
    node = remote.node
    return Outcome(
        local=remote.local,
        path=remote.path,
        kind=node.kind,
        result=result,
        size=node.size,
        sent=sent,
        node=node.id,
        version=node.version,
        sha256=node.sha256,
        chunks=chunks,
    )


def _failed(remote: Remote, problem: Problem) -> Outcome:
    return Outcome(remote.local, remote.path, remote.node.kind, "failed", problem=problem)
