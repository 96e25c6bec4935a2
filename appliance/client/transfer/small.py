"""Files of one chunk below 5 MiB: by the hundred, two calls a batch.

read and hash (in a thread) -> begin -> PUT each in parallel -> one commit, which completes them.
Their bytes stay in memory from the read to the PUT, so what is sent is what was fingerprinted; a
batch is bounded in files and in bytes, and a few batches overlap, so that hashing and the calls
hide behind the transfers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.client.backoff import Endurance
from appliance.client.blobs import UploadCalls
from appliance.client.cutter import Cut, Seen, cut_bytes, look
from appliance.client.errors import FileChanged, from_os, printable
from appliance.client.transfer.commit import Wanted, commit, failed, problem_of
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Listener, Outcome
from appliance.client.transfer.plan import FileJob
from appliance.client.transfer.put_bytes import Bytes, UrlExpired, put
from appliance.domain.errors import PartMismatch, PartMissing, Problem, UploadState
from appliance.wire.uploads import BeginOutcome, BeginUpload, ChunkSpec, PartUrl

__all__ = ["LARGEST", "SmallFiles", "batches"]

LARGEST = (5 << 20) - 1
_FILES = 500
_BYTES = 24 << 20
OVERLAP = 3
_OVERTAKEN = (UploadState, PartMissing, PartMismatch)


def batches(jobs: Sequence[FileJob]) -> Iterator[list[FileJob]]:
    """In order, each within both bounds; a file alone may pass the second."""
    batch: list[FileJob] = []
    size = 0
    for job in jobs:
        if batch and (len(batch) == _FILES or size + job.entry.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += job.entry.size
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Read:
    job: FileJob
    data: bytes
    cut: Cut
    seen: Seen


@dataclass(frozen=True, slots=True)
class SmallFiles:
    uploads: UploadCalls
    lanes: Lanes
    listener: Listener
    endurance: Endurance

    async def send(self, jobs: Sequence[FileJob], parents: Mapping[str, str]) -> None:
        """Tells the listener of every job; raises only what ends the run (no session)."""
        room = asyncio.Semaphore(OVERLAP)

        async def one(batch: list[FileJob]) -> None:
            try:
                for outcome in await self._twice(batch, parents):
                    self.listener.finished(outcome)
            finally:
                room.release()

        async with asyncio.TaskGroup() as tasks:
            for batch in batches(jobs):
                await room.acquire()
                tasks.create_task(one(batch))

    async def _twice(self, jobs: list[FileJob], parents: Mapping[str, str]) -> list[Outcome]:
        """Another run may have ended the same upload meanwhile: `begin` knows how it stands."""
        first = await self._batch(jobs, parents)
        again = {one.local for one in first if isinstance(one.problem, _OVERTAKEN)}
        if not again:
            return first
        second = await self._batch([job for job in jobs if job.entry.local in again], parents)
        return [one for one in first if one.local not in again] + second

    async def _batch(self, jobs: list[FileJob], parents: Mapping[str, str]) -> list[Outcome]:
        read = await asyncio.to_thread(lambda: [_read(job) for job in jobs])
        ready = [one for one in read if isinstance(one, _Read)]
        outcomes = [one for one in read if isinstance(one, Outcome)]
        if not ready:
            return outcomes
        try:
            begun = await self.uploads.begin([_request(one.cut) for one in ready])
            sent = await self._send(list(zip(ready, begun.items, strict=True)))
            wanted = [one for one in sent if isinstance(one, Wanted)]
            outcomes += [one for one in sent if isinstance(one, Outcome)]
            unchanged = await asyncio.to_thread(_check, wanted, ready)
            wanted = [one for one in unchanged if isinstance(one, Wanted)]
            outcomes += [one for one in unchanged if isinstance(one, Outcome)]
            outcomes += await commit(self.uploads, parents, wanted)
        except Problem as problem:
            told = {outcome.local for outcome in outcomes}
            outcomes += [failed(job.entry, problem) for job in jobs if job.entry.local not in told]
        return outcomes

    async def _send(self, begun: Sequence[tuple[_Read, BeginOutcome]]) -> list[Wanted | Outcome]:
        urls = await self._urls([outcome for _, outcome in begun])
        return await self.lanes.drain(
            [(one, outcome, urls.get(_id(outcome))) for one, outcome in begun],
            lambda item: self._one(*item),
        )

    async def _urls(self, outcomes: Sequence[BeginOutcome]) -> dict[str, PartUrl]:
        """Of a batch all URLs come with begin; one that didn't is asked for."""
        found = {_id(o): o.urls[0] for o in outcomes if o.urls}
        for outcome in outcomes:
            id = _id(outcome)
            if id and id not in found and outcome.upload and outcome.upload.missing:
                found[id] = (await self.uploads.sign(id, [1])).urls[0]
        return found

    def _one(self, one: _Read, begun: BeginOutcome, url: PartUrl | None) -> Wanted | Outcome:
        """In a lane."""
        entry = one.job.entry
        sha256 = one.cut.sha256.hex()
        if begun.status == "error":
            return failed(entry, problem_of(begun.code, begun.detail, entry.path))
        size, known = len(one.data), url is None or begun.status in ("known", "empty")
        if url is None or known:
            self.listener.skipped(size)
        else:
            try:
                put(self.lanes, url, Bytes(entry.local, one.data), self.endurance)
            except UrlExpired:
                return failed(
                    entry, UploadState(f"{entry.path}: its upload address expired; put it again.")
                )
            except Problem as problem:
                return failed(entry, problem)
        return Wanted(
            replace(entry, size=size, mtime_ns=one.seen.mtime_ns),
            upload=None if begun.status == "empty" else _id(begun),
            base=one.job.base,
            how=begun.status,
            sent=0 if known else size,
            sha256=sha256,
            chunks=len(one.cut.chunks),
        )


def _id(outcome: BeginOutcome) -> str:
    return outcome.upload.id if outcome.upload else ""


def _request(cut: Cut) -> BeginUpload:
    return BeginUpload(
        size=cut.size,
        chunks=[ChunkSpec(length=c.length, sha256=c.sha256.hex()) for c in cut.chunks],
        sha256=cut.sha256.hex(),
    )


def _read(job: FileJob) -> _Read | Outcome:
    path = job.entry.local
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            before = look(handle)
            data = _all(handle, before.size)
            changed = len(data) != before.size or look(handle) != before
        finally:
            os.close(handle)
    except OSError as error:
        return failed(job.entry, from_os(error, path))
    if changed or len(data) > LARGEST:
        return failed(job.entry, FileChanged(f"{printable(path)} changed while it was being read."))
    return _Read(job, data, cut_bytes(data), before)


def _all(handle: int, size: int) -> bytes:
    """One byte more than expected is asked for: a file that grew shows."""
    pieces: list[bytes] = []
    left = size + 1
    while left > 0 and (piece := os.read(handle, left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _check(wanted: Sequence[Wanted], read: Sequence[_Read]) -> list[Wanted | Outcome]:
    """Once more before the commit: what has changed since it was read isn't committed."""
    seen = {one.job.entry.local: one.seen for one in read}
    checked: list[Wanted | Outcome] = []
    for one in wanted:
        local = one.entry.local
        try:
            changed = look(local) != seen[local]
        except OSError:
            changed = True
        problem = FileChanged(f"{printable(local)} changed while it was being sent.")
        checked.append(failed(one.entry, problem) if changed else one)
    return checked
