"""Commits: blobs are placed at names, one or a thousand targets in one transaction.

What becomes of each target is decided by domain.commits on rows read under the space's lock; here
is what it takes to ask and to write. Uploads that aren't over yet are completed before, outside
the transaction: no lock is held while the object store works.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.domain.commits import Target, decide
from appliance.domain.errors import InvalidBody, Problem
from appliance.settings import Limits
from appliance.store import versions
from appliance.store.pools import Connection
from appliance.wire.uploads import Commit, CommitOutcome, Committed

from .changing import Changer, Draft, Once
from .commit_rows import ask_current
from .commit_targets import parse_target
from .commit_writing import write
from .written import Written

__all__ = ["Commits", "EnsureUploaded"]


class EnsureUploaded(Protocol):
    """Drives uploads to their end; what can't be is told as a problem, and the rest goes on."""

    async def __call__(
        self, space_id: int, author_user_id: int, upload_ids: Sequence[int]
    ) -> dict[int, Problem | None]: ...


class Commits:
    """Without `ensure_uploaded` only uploads that are over can be committed."""

    def __init__(
        self, *, changer: Changer, limits: Limits, ensure_uploaded: EnsureUploaded | None = None
    ) -> None:
        self._changer = changer
        self._limits = limits
        self._ensure_uploaded = ensure_uploaded

    async def commit(
        self, caller: Caller, space: str, request: Commit, idempotency_key: str | None = None
    ) -> Written[Committed]:
        space_id = ids.decode_key("s", space)
        if len(request.targets) > self._limits.batch_targets:
            raise InvalidBody(f"At most {self._limits.batch_targets} targets go in one commit.")
        parsed: list[Target | Problem] = []
        for target in request.targets:
            try:
                parsed.append(parse_target(space_id, target))
            except Problem as problem:
                parsed.append(problem)
        unfinished = await self._finish_uploads(caller, space_id, parsed)
        parsed = [
            unfinished.get(t.blob_id) or t if isinstance(t, Target) and t.blob_id else t
            for t in parsed
        ]
        targets = [target for target in parsed if isinstance(target, Target)]
        fresh = timedelta(seconds=self._limits.fresh_blob_seconds)

        async def work(conn: Connection, draft: Draft) -> Committed:
            found = await ask_current(conn, draft, targets)
            sized = found.sized(targets)
            outcomes = decide(found.current, sized)
            answers = await write(
                conn, draft, found, sized, outcomes, self._changer.ids, draft.now + fresh
            )
            answered = iter(answers)
            items = [_error(t) if isinstance(t, Problem) else next(answered) for t in parsed]
            return Committed(seq=draft.seq, items=items)

        once = Once.of(idempotency_key, f"commit {space}", request, Committed)
        return await self._changer.change(caller, space_id, work, once)

    async def _finish_uploads(
        self, caller: Caller, space_id: int, targets: Sequence[Target | Problem]
    ) -> dict[int, Problem]:
        wanted = {t.blob_id for t in targets if isinstance(t, Target) and t.blob_id is not None}
        if not wanted or self._ensure_uploaded is None or caller.space_id != space_id:
            return {}
        async with self._changer.stores.tx(space_id) as conn:
            missing = await (
                await versions.missing_blobs(conn, space_id, sorted(wanted))
            ).fetchall()
        if not missing:
            return {}
        results = await self._ensure_uploaded(space_id, caller.user_id, missing)
        return {upload: problem for upload, problem in results.items() if problem is not None}


def _error(problem: Problem) -> CommitOutcome:
    return CommitOutcome(status="error", code=problem.code, detail=str(problem))
