"""The decision of a commit: what becomes of each target, given what is there now.

Invariants:
- nothing is overwritten silently: content changes only where the target's base is the version
  that is current; everything else is a conflict that carries the current state;
- targets are independent: one that fails changes nothing and doesn't stop the others;
- a batch decides as its targets would one after another: the second target for a name sees the
  first one's outcome;
- a version only ever refers to a live blob that its author may use, and a blob is charged once.

`decide` is called inside the transaction that holds the space's lock, on rows read under it. The
caller makes ids, writes rows and journal, and adds up `charged` and `settled`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.domain import quota
from appliance.domain.errors import (
    BlobQuarantined,
    InvalidBody,
    NotFound,
    ParentTrashed,
    Problem,
    QuotaExceeded,
    TreeTooLarge,
    UploadState,
)
from appliance.domain.tree import MAX_DEPTH

__all__ = [
    "Blob",
    "BlobState",
    "Current",
    "Existing",
    "Kind",
    "Outcome",
    "Target",
    "Verdict",
    "decide",
]


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class BlobState(StrEnum):
    PENDING = "pending"  # its upload isn't over: there is no row yet
    LIVE = "live"
    QUARANTINED = "quarantined"
    DYING = "dying"


@dataclass(frozen=True, slots=True)
class Target:
    """What a client wants at a name. The name has passed check_name, the link check_target."""

    kind: Kind
    parent_id: int
    name: str
    base_version: int | None = None  # what it changes: Existing.base; None: nothing may be there
    blob_id: int | None = None  # files only; None for an empty one
    size: int = 0
    sha256: bytes | None = None  # declared
    mtime_ns: int = 0
    mode: int = 0
    link_target: str | None = None  # links only


@dataclass(frozen=True, slots=True)
class Existing:
    """The node that has the target's name now.

    `node_id` is None, and `made_by` the place of a target, while that target of the same batch is
    what made the node or its version: ids don't exist yet when the decision is taken.
    """

    node_id: int | None
    kind: Kind
    version_id: int | None  # files only
    rev: int  # the space's seq when this row last changed
    blob_id: int | None = None
    mtime_ns: int = 0
    mode: int = 0
    link_target: str | None = None
    made_by: int | None = None

    @property
    def base(self) -> int | None:
        """What a target must name to replace this content; None: no target can."""
        if self.kind is Kind.FOLDER or self.made_by is not None:
            return None
        return self.rev if self.kind is Kind.LINK else self.version_id


@dataclass(frozen=True, slots=True)
class Blob:
    id: int
    size: int  # raw
    stored: int
    state: BlobState
    proven: bool
    author: int  # user id
    charged: bool  # a version uses it already
    reserved: int = 0  # what its upload still holds of the quota


@dataclass(frozen=True, slots=True)
class Current:
    """Everything a decision reads. Rows that aren't there are left out of the mappings."""

    author: int  # the user who commits
    children: Mapping[tuple[int, str], Existing]
    blobs: Mapping[int, Blob]
    live_parents: frozenset[int]  # folders, not in the trash
    quota: int
    used: int
    reserved: int
    trashed_parents: frozenset[int] = frozenset()
    deepest_parents: frozenset[int] = frozenset()  # live ones at MAX_DEPTH: they hold no folder


class Verdict(StrEnum):
    CREATED = "created"
    NEW_VERSION = "new_version"
    EXISTS = "exists"  # the folder is there already
    UNCHANGED = "unchanged"  # the current version has this blob, time and mode; the link this text
    CONFLICT = "conflict"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    current: Existing | None = None  # what is there, before this target
    problem: Problem | None = None
    charged: int = 0  # bytes that this target adds to the used ones
    settled: int = 0  # bytes that it takes from the reserved ones

    @property
    def writes(self) -> bool:
        return self.verdict in (Verdict.CREATED, Verdict.NEW_VERSION)


def decide(current: Current, targets: Sequence[Target]) -> tuple[Outcome, ...]:
    """One outcome for each target, in their order."""
    outcomes: list[Outcome] = []
    children = dict(current.children)
    blobs = dict(current.blobs)
    for place, target in enumerate(targets):
        now = replace(current, children=children, blobs=blobs)
        try:
            outcome = _one(now, target)
        except Problem as problem:
            outcome = Outcome(Verdict.PROBLEM, problem=problem)
        outcomes.append(outcome)
        if outcome.writes:
            children[target.parent_id, target.name] = _written(place, target, outcome.current)
            current = replace(
                current,
                used=current.used + outcome.charged,
                reserved=current.reserved - outcome.settled,
            )
            if target.blob_id is not None:
                blobs[target.blob_id] = replace(blobs[target.blob_id], charged=True, reserved=0)
    return tuple(outcomes)


def _one(now: Current, target: Target) -> Outcome:
    _check_parent(now, target.parent_id)
    there = now.children.get((target.parent_id, target.name))
    if target.kind is Kind.FOLDER:
        return _folder(now, target, there)
    blob = _check_content(now, target)
    if there is None:
        if target.base_version is not None:
            return Outcome(Verdict.CONFLICT)
        return _charged(now, Outcome(Verdict.CREATED), blob)
    if there.kind is not target.kind:
        return Outcome(Verdict.CONFLICT, there)
    if target.kind is Kind.LINK and target.link_target == there.link_target:
        return Outcome(Verdict.UNCHANGED, there)
    if there.base is None or there.base != target.base_version:
        return Outcome(Verdict.CONFLICT, there)
    if target.kind is Kind.FILE and _same(target, there):
        return Outcome(Verdict.UNCHANGED, there)
    return _charged(now, Outcome(Verdict.NEW_VERSION, there), blob)


def _check_parent(now: Current, parent_id: int) -> None:
    if parent_id in now.trashed_parents:
        raise ParentTrashed("The folder it should go into is in the trash.")
    if parent_id not in now.live_parents:
        raise NotFound("The folder it should go into doesn't exist.")


def _folder(now: Current, target: Target, there: Existing | None) -> Outcome:
    if there is not None:
        return Outcome(Verdict.EXISTS if there.kind is Kind.FOLDER else Verdict.CONFLICT, there)
    if target.base_version is not None:
        return Outcome(Verdict.CONFLICT)
    if target.parent_id in now.deepest_parents:
        raise TreeTooLarge(f"Folders can lie at most {MAX_DEPTH} levels deep.")
    return Outcome(Verdict.CREATED)


def _check_content(now: Current, target: Target) -> Blob | None:
    """The blob that the target may use; None for links and for empty files without one.

    A blob whose fingerprint nobody has proven is its uploader's alone: whoever else names it
    learns nothing, not even that it is there.
    """
    if target.kind is Kind.LINK:
        if not target.link_target or target.blob_id is not None or target.size:
            raise InvalidBody("A link has a target and nothing else.")
        return None
    if target.link_target is not None:
        raise InvalidBody("Only a link has a link target.")
    if target.blob_id is None:
        if target.size:
            raise InvalidBody("A file that isn't empty needs an upload.")
        return None
    blob = now.blobs.get(target.blob_id)
    if blob is None or not (blob.proven or blob.author == now.author):
        raise NotFound("There is no upload with this id.")
    match blob.state:
        case BlobState.PENDING:
            raise UploadState("The upload isn't complete.")
        case BlobState.QUARANTINED:
            raise BlobQuarantined("The stored bytes failed a check; upload the file again.")
        case BlobState.DYING:
            raise NotFound("The upload is no longer kept; ask to upload the file again.")
        case BlobState.LIVE:
            pass
    if blob.size != target.size:
        raise InvalidBody(f"The upload has {blob.size} bytes, the file {target.size}.")
    return blob


def _same(target: Target, there: Existing) -> bool:
    return (target.blob_id, target.mtime_ns, target.mode) == (
        there.blob_id,
        there.mtime_ns,
        there.mode,
    )


def _charged(now: Current, outcome: Outcome, blob: Blob | None) -> Outcome:
    """A reservation that is still held has been promised, whatever became of the quota since."""
    if blob is None or blob.charged:
        return outcome
    cost = quota.charge(blob.size, blob.stored)
    if not quota.fits(now.quota, now.used, now.reserved, cost - blob.reserved):
        raise QuotaExceeded(
            f"The file needs {cost} bytes.",
            extra={"quota": now.quota, "used": now.used, "reserved": now.reserved, "wanted": cost},
        )
    return replace(outcome, charged=cost, settled=blob.reserved)


def _written(place: int, target: Target, before: Existing | None) -> Existing:
    return Existing(
        node_id=before.node_id if before else None,
        kind=target.kind,
        version_id=None,
        rev=before.rev if before else 0,
        blob_id=target.blob_id,
        mtime_ns=target.mtime_ns,
        mode=target.mode,
        link_target=target.link_target,
        made_by=place,
    )
