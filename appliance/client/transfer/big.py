"""A file of many chunks: cut, begin, parts in parallel, complete, commit.

Nothing of its state is kept here: `begin` with the same chunk list answers with what the store
already has, so a run after kill -9, from this machine or another, sends what is missing. Parts are
confirmed to the server in runs, which is only speed: a part that the store has counts.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from appliance.client.backoff import Endurance
from appliance.client.blobs import UploadCalls
from appliance.client.cutter import Cut, Seen, cut_file, look
from appliance.client.errors import FileChanged, Unreachable, from_os, printable
from appliance.client.transfer.commit import Wanted, commit, failed, problem_of
from appliance.client.transfer.lanes import Lanes
from appliance.client.transfer.outcome import Listener, Outcome
from appliance.client.transfer.plan import FileJob
from appliance.client.transfer.put_bytes import Slice, UrlExpired, put
from appliance.domain.errors import (
    NotFound,
    PartMismatch,
    PartMissing,
    Problem,
    UploadState,
    VersionGone,
)
from appliance.wire.uploads import (
    BeginOutcome,
    BeginUpload,
    ChunkSpec,
    PartUrl,
    RecordedPart,
    Upload,
)

__all__ = ["BigFiles"]

_RUN = 24  # parts confirmed by one call
_RUN_SECONDS = 3.0
_AHEAD = 64  # URLs asked for by one call
_MARGIN = 30.0  # seconds of a URL's life that aren't counted on
_ROUNDS = 3

_OVERTAKEN = (NotFound, UploadState, PartMissing, PartMismatch)
"""What a run sees of an upload that another run of the same file has completed or aborted, and of
a known blob that has just died: `begin` knows how it stands now."""

_CHANGED = "{} changed while it was being sent."


@dataclass(frozen=True, slots=True)
class BigFiles:
    uploads: UploadCalls
    lanes: Lanes
    listener: Listener
    endurance: Endurance

    async def send(self, job: FileJob, parents: Mapping[str, str]) -> None:
        """Tells the listener what became of it."""
        try:
            outcome = await self._send(job, parents)
        except OSError as error:
            outcome = failed(job.entry, from_os(error, job.entry.local))
        except Problem as problem:
            outcome = failed(job.entry, problem)
        self.listener.finished(outcome)

    async def _send(self, job: FileJob, parents: Mapping[str, str]) -> Outcome:
        entry = job.entry
        began = time.monotonic()
        least = await self._class_of_base(job)
        cut, seen = await asyncio.to_thread(cut_file, entry.local, least)
        seconds = time.monotonic() - began
        self.listener.explain(
            f"{printable(entry.local)}: {job.why}; {cut.size} bytes cut into {len(cut.chunks)} "
            f"chunks of class {cut.chunk_class} in {seconds:.1f} s"
        )
        for last in (False, False, True):
            try:
                begun = await self._begin(cut, entry.path)
                sent = await self._transfer(entry.local, cut, begun)
            except _OVERTAKEN:
                if await asyncio.to_thread(_changed, entry.local, seen):
                    raise FileChanged(_CHANGED.format(printable(entry.local))) from None
                if last:
                    raise
                await asyncio.sleep(0.2)
                continue
            if await asyncio.to_thread(_changed, entry.local, seen):
                raise FileChanged(_CHANGED.format(printable(entry.local)))
            wanted = Wanted(
                replace(entry, size=cut.size, mtime_ns=seen.mtime_ns),
                upload=begun.upload.id if begun.upload else None,
                base=job.base,
                how=begun.status,
                sent=sent,
                sha256=cut.sha256.hex(),
                chunks=len(cut.chunks),
            )
            [outcome] = await commit(self.uploads, parents, [wanted])
            if last or not isinstance(outcome.problem, _OVERTAKEN):
                return outcome
        raise AssertionError("the last round returns or raises")

    async def _class_of_base(self, job: FileJob) -> int:
        """Cut like its base, a version shares that one's chunks: another class shares none."""
        if job.base is None or job.node is None:
            return 0
        try:
            return (await self.uploads.chunks(job.node, job.base)).chunk_class
        except (NotFound, VersionGone):
            return 0  # the commit will tell the conflict

    async def _begin(self, cut: Cut, path: str) -> BeginOutcome:
        request = BeginUpload(
            size=cut.size,
            chunk_class=cut.chunk_class,
            chunks=[ChunkSpec(length=c.length, sha256=c.sha256.hex()) for c in cut.chunks],
            sha256=cut.sha256.hex(),
            fingerprint=cut.fingerprint.hex(),
        )
        [begun] = (await self.uploads.begin([request])).items
        if begun.status == "error":
            raise problem_of(begun.code, begun.detail, path)
        return begun

    async def _transfer(self, local: str, cut: Cut, begun: BeginOutcome) -> int:
        """Bytes sent. Returns once the upload can be committed."""
        upload = begun.upload
        if upload is None or begun.status in ("known", "empty"):
            self.listener.explain(f"{printable(local)}: {begun.status}; nothing to send")
            self.listener.skipped(cut.size)
            return 0
        if upload.state == "completing":
            await self._complete(upload)
            return 0
        missing = set(upload.missing)
        left = sum(cut.chunks[part - 1].length for part in missing)
        self.listener.skipped(cut.size - left)
        self.listener.explain(
            f"{printable(local)}: {begun.status}; {len(missing)} of {upload.parts} parts to send "
            f"({left} bytes), {self.lanes.width} at once"
        )
        handle = os.open(local, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            sender = _Sender(self, local, handle, cut, upload, list(begun.urls))
            for rounds in range(_ROUNDS):
                await sender.run(missing)
                if upload.method == "single":
                    break
                try:
                    await self._complete(upload)
                    break
                except (PartMissing, PartMismatch) as problem:
                    missing = _parts(problem) or set((await self.uploads.get(upload.id)).missing)
                    if rounds + 1 == _ROUNDS or not missing:
                        raise
        finally:
            os.close(handle)
        return sender.sent

    async def _complete(self, upload: Upload) -> None:
        """Another executor may be completing it just now: then it is waited for."""
        now = await self.uploads.complete(upload.id)
        waited, delay = 0.0, 0.1
        while now.state == "completing" and waited < self.endurance.total:
            await asyncio.sleep(delay)
            waited, delay = waited + delay, min(delay * 2, 5.0)
            now = await self.uploads.get(upload.id)
        if now.state == "completing":
            raise Unreachable("The upload is still being completed; put it again in a while.")
        if now.state != "uploaded":
            raise UploadState(f"The upload is {now.state}; put the file again.")


class _Sender:
    """The parts of one file. URLs are asked for just in time, and anew when they expire."""

    def __init__(
        self,
        files: BigFiles,
        local: str,
        handle: int,
        cut: Cut,
        upload: Upload,
        urls: list[PartUrl],
    ) -> None:
        self._files = files
        self._local = local
        self._handle = handle
        self._upload = upload
        self._urls = {url.part: url for url in urls}
        self._signing = asyncio.Lock()
        self._done: list[RecordedPart] = []
        self._recorded_at = time.monotonic()
        self._recording = asyncio.Lock()
        self._refused: set[int] = set()
        self.sent = 0
        self._slices: dict[int, Slice] = {}
        offset = 0
        for number, chunk in enumerate(cut.chunks, 1):
            self._slices[number] = Slice(local, handle, offset, chunk.length)
            offset += chunk.length

    async def run(self, missing: set[int]) -> None:
        """Every missing part is with the store, and confirmed, when it returns."""
        for _ in range(_ROUNDS):
            self._refused = set()
            await self._round(sorted(missing))
            if not self._refused:
                return
            missing = self._refused
        raise PartMismatch(
            f"{printable(self._local)}: the store lost parts {sorted(missing)[:5]} three times."
        )

    async def _round(self, numbers: list[int]) -> None:
        waiting = iter(numbers)

        async def worker() -> None:
            for number in waiting:
                await self._part(number, numbers)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(16, len(numbers))):
                    tasks.create_task(worker())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._upload.method == "multipart":
            await self._record(everything=True)

    async def _part(self, number: int, numbers: list[int]) -> None:
        content = self._slices[number]
        files = self._files

        for last in (False, True):
            url = await self._url(number, numbers, fresh=last)
            try:
                etag = await files.lanes.run(
                    partial(put, files.lanes, url, content, files.endurance)
                )
                break
            except UrlExpired:
                if last:
                    raise PartMismatch(
                        f"{printable(self._local)}: the store refuses part {number}."
                    ) from None
        self.sent += content.length
        if self._upload.method == "multipart":
            self._done.append(RecordedPart(part=number, etag=etag))
            await self._record(everything=False)

    async def _url(self, number: int, numbers: list[int], *, fresh: bool) -> PartUrl:
        async with self._signing:
            found = self._urls.get(number)
            if found and not fresh and _left(found) > _MARGIN:
                return found
            at = numbers.index(number)
            ahead = [
                n
                for n in numbers[at : at + _AHEAD]
                if n == number or n not in self._urls or _left(self._urls[n]) <= _MARGIN
            ]
            answer = await self._files.uploads.sign(self._upload.id, ahead)
            self._urls |= {url.part: url for url in answer.urls}
            if number not in self._urls:
                raise UploadState(f"{printable(self._local)}: the server signs no part {number}.")
            return self._urls[number]

    async def _record(self, *, everything: bool) -> None:
        due = time.monotonic() - self._recorded_at > _RUN_SECONDS
        if not self._done or not (everything or due or len(self._done) >= _RUN):
            return
        async with self._recording:
            run, self._done = self._done, []
            self._recorded_at = time.monotonic()
            if run:
                answer = await self._files.uploads.record(self._upload.id, run)
                self._refused |= {refused.part for refused in answer.refused}


def _left(url: PartUrl) -> float:
    return (url.expires_at - datetime.now(UTC)).total_seconds()


def _parts(problem: Problem) -> set[int]:
    ranges = problem.extra.get("parts") or []
    return {number for first, last in ranges for number in range(first, last + 1)}


def _changed(path: str, seen: Seen) -> bool:
    try:
        return look(path) != seen
    except OSError:
        return True
