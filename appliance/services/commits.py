"""Commits: blobs are placed at names, one or a thousand targets in one transaction.

What becomes of each target is decided by domain.commits on rows read under the space's lock; here
is what it takes to ask and to write. Uploads that turn out not to be over are completed outside the
transaction, and their request tried once more: no lock is held while the object store works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.commits import BlobState, Target, decide
from appliance.domain.errors import InvalidBody, Problem
from appliance.settings import Limits
from appliance.store.pools import Connection
from appliance.wire.uploads import Commit, CommitOutcome, CommitTarget, Committed

from .changing import Changer, Draft, Once
from .combining import Combiner
from .commit_rows import Asked, ask_current
from .commit_targets import parse_target
from .commit_writing import write
from .written import Written

__all__ = ["Commits", "EnsureUploaded"]


class EnsureUploaded(Protocol):
    """Drives uploads to their end; what can't be is told as a problem, and the rest goes on."""

    async def __call__(
        self, space_id: int, author_user_id: int, upload_ids: Sequence[int]
    ) -> dict[int, Problem | None]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One request, parsed; `ensured` once its uploads were driven to their end."""

    caller: Caller
    targets: Sequence[Target | Problem]
    once: Once[Committed] | None
    ensured: bool

    def good(self) -> list[Target]:
        return [target for target in self.targets if isinstance(target, Target)]

    def unfinished(self, found: Asked) -> frozenset[int]:
        """Uploads that were no blobs when the rows were read."""
        wanted = {target.blob_id for target in self.good() if target.blob_id is not None}
        blobs = found.current.blobs
        return frozenset(b for b in wanted if b not in blobs or blobs[b].state is BlobState.PENDING)


_Result = Written[Committed] | Problem | frozenset[int]  # the last: uploads to finish first


class Commits:
    """Requests for one space that come at the same time share a transaction.

    Without `ensure_uploaded` only uploads that are over can be committed.
    """

    def __init__(
        self, *, changer: Changer, limits: Limits, ensure_uploaded: EnsureUploaded | None = None
    ) -> None:
        self._changer = changer
        self._limits = limits
        self._ensure_uploaded = ensure_uploaded
        self._combiner: Combiner[tuple[int, int], _Job, _Result] = Combiner(
            self._transact, self._fits
        )

    async def commit(
        self, caller: Caller, space: str, request: Commit, idempotency_key: str | None = None
    ) -> Written[Committed]:
        space_id = ids.decode_key("s", space)
        if len(request.targets) > self._limits.batch_targets:
            raise InvalidBody(f"At most {self._limits.batch_targets} targets go in one commit.")
        targets = [_parsed(space_id, target) for target in request.targets]
        once = Once.of(idempotency_key, f"commit {space}", request, Committed)
        job = _Job(caller, targets, once, self._ensure_uploaded is None)
        key = (space_id, caller.user_id)
        result = await self._combiner.submit(key, job)
        if isinstance(result, frozenset):
            result = await self._combiner.submit(key, await self._finish(space_id, job, result))
        if isinstance(result, Problem):
            raise result
        assert isinstance(result, Written)
        return result

    async def _finish(self, space_id: int, job: _Job, uploads: frozenset[int]) -> _Job:
        """The job with problems in place of the targets whose uploads have none to give."""
        assert self._ensure_uploaded is not None
        results = await self._ensure_uploaded(space_id, job.caller.user_id, sorted(uploads))
        return replace(
            job,
            ensured=True,
            targets=[
                (isinstance(t, Target) and t.blob_id and results.get(t.blob_id)) or t
                for t in job.targets
            ],
        )

    def _fits(self, batch: Sequence[_Job], job: _Job) -> bool:
        """A key that is in the batch already waits for its answer to be there."""
        total = sum(len(other.targets) for other in (*batch, job))
        keys = {other.once.key for other in batch if other.once is not None}
        return total <= self._limits.batch_targets and (
            job.once is None or job.once.key not in keys
        )

    async def _transact(self, key: tuple[int, int], jobs: Sequence[_Job]) -> Sequence[_Result]:
        space_id, _ = key
        fresh = timedelta(seconds=self._limits.released_blob_seconds)

        async def work(conn: Connection, draft: Draft) -> list[_Result]:
            kept = [job.once and await draft.ask_kept(conn, job.once) for job in jobs]
            found = await ask_current(conn, draft, [t for job in jobs for t in job.good()])
            results: dict[int, _Result] = {}
            for place, job in enumerate(jobs):
                stored = kept[place]
                if job.once is not None and stored:
                    answered = await job.once.answered(stored)
                    if answered is not None:
                        results[place] = answered
                        continue
                unfinished = job.unfinished(found)
                if unfinished and not job.ensured:
                    results[place] = unfinished
            due = [place for place in range(len(jobs)) if place not in results]
            targets = found.sized([t for place in due for t in jobs[place].good()])
            devices = [jobs[place].caller.device for place in due for _ in jobs[place].good()]
            answers = iter(
                await write(
                    conn,
                    draft,
                    found,
                    targets,
                    devices,
                    decide(found.current, targets),
                    self._changer.ids,
                    draft.now + fresh,
                )
            )
            for place in due:
                items = [
                    _error(t) if isinstance(t, Problem) else next(answers)
                    for t in jobs[place].targets
                ]
                results[place] = Written(Committed(seq=draft.seq, items=items), draft.seq)
            for place in due:
                result, once = results[place], jobs[place].once
                if once is not None and isinstance(result, Written):
                    await draft.keep(conn, once, result.answer)
            return [results[place] for place in range(len(jobs))]

        return (await self._changer.change(jobs[0].caller, space_id, work)).answer


def _parsed(space_id: int, asked: CommitTarget) -> Target | Problem:
    try:
        return parse_target(space_id, asked)
    except Problem as problem:
        return problem


def _error(problem: Problem) -> CommitOutcome:
    return CommitOutcome(status="error", code=problem.code, detail=str(problem))
