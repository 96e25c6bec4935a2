"""Commits as the engines use them: entries in, outcomes out, at most 1,000 a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.client.blobs import UploadCalls
from appliance.client.transfer.outcome import Outcome
from appliance.client.transfer.walk import Entry
from appliance.domain.errors import ALL, Conflict, NotFound, Problem
from appliance.wire.uploads import CommitOutcome, CommitTarget

__all__ = ["Wanted", "commit", "failed", "folder_of", "problem_of"]

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry with what its name shall hold, and what is already known of how it got there."""

    entry: Entry
    upload: str | None = None  # None: a folder, a link or the empty file
    base: str | None = None
    how: str = ""
    sent: int = 0
    sha256: str | None = None
    chunks: int = 0


async def commit(
    uploads: UploadCalls, parents: Mapping[str, str], wanted: Sequence[Wanted]
) -> list[Outcome]:
    """Outcomes in the order of `wanted`; raises only if a call as a whole failed.

    `parents`: path of a folder in the space -> its node.
    """
    done: list[Outcome] = []
    for start in range(0, len(wanted), _MOST):
        group = wanted[start : start + _MOST]
        placed: list[tuple[int, CommitTarget]] = []
        results: list[Outcome | None] = [None] * len(group)
        for number, one in enumerate(group):
            parent = parents.get(folder_of(one.entry.path))
            if parent is None:
                problem = NotFound(f"{one.entry.path}: its folder isn't there.")
                results[number] = _failed(one, problem)
            else:
                placed.append((number, _target(one, parent)))
        if placed:
            answer = await uploads.commit([target for _, target in placed])
            for (number, _), outcome in zip(placed, answer.items, strict=True):
                results[number] = _outcome(group[number], outcome)
        done += [result for result in results if result is not None]
    return done


def folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def problem_of(code: str | None, detail: str | None, path: str) -> Problem:
    kind = ALL.get(code or "")
    text = f"{path}: {detail or (kind.title if kind else code)}"
    return kind(text) if kind else Problem(text)


def _target(one: Wanted, parent: str) -> CommitTarget:
    entry = one.entry
    return CommitTarget(
        kind=entry.kind,
        parent=parent,
        name=entry.path.rpartition("/")[2],
        upload=one.upload,
        base=one.base,
        target=entry.target,
        mtime_ns=entry.mtime_ns,
        mode=entry.mode,
    )


def _outcome(one: Wanted, answer: CommitOutcome) -> Outcome:
    path = one.entry.path
    match answer.status:
        case "created" | "version" | "unchanged":
            result = answer.status
        case "exists":
            result = "unchanged"
        case "conflict":
            now = f" It is a {answer.current.kind} now." if answer.current else ""
            reason = answer.detail or f"it changed in the space in the meantime.{now}"
            extra = {"current": answer.current.node} if answer.current else {}
            return _failed(
                one,
                Conflict(f"{path}: {reason} Nothing was overwritten; put it again.", extra=extra),
            )
        case "error":
            return _failed(one, problem_of(answer.code, answer.detail, path))
    return Outcome(
        local=one.entry.local,
        path=path,
        kind=one.entry.kind,
        result=result,
        size=one.entry.size,
        how=one.how,
        sent=one.sent,
        node=answer.node,
        version=answer.version,
        sha256=one.sha256,
        chunks=one.chunks,
    )


def _failed(one: Wanted, problem: Problem) -> Outcome:
    return failed(one.entry, problem)


def failed(entry: Entry, problem: Problem) -> Outcome:
    return Outcome(entry.local, entry.path, entry.kind, "failed", size=entry.size, problem=problem)
