"""What a commit writes for the targets that were decided to be written, and what it answers.

A name may be written more than once in a batch (a second target replaces what the first one made
only if it names its version, which it can't): so each node is written at most once here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.domain import ids
from appliance.domain.commits import Existing, Kind, Outcome, Target, Verdict
from appliance.domain.errors import Conflict
from appliance.domain.ids import IdMaker
from appliance.domain.names import flags, fold
from appliance.domain.retention import to_drop
from appliance.store import nodes, versions
from appliance.store.nodes import Content, Named, NewNode
from appliance.store.pools import Connection
from appliance.store.versions import NewVersion
from appliance.wire.uploads import CommitOutcome, CurrentState

from .changing import Draft
from .commit_rows import Asked
from .node_answers import current_state, version_id

__all__ = ["write"]


@dataclass(slots=True)
class _Plan:
    nodes: list[NewNode] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    versions: list[NewVersion] = field(default_factory=list)
    charged: set[int] = field(default_factory=set)
    dropped: list[int] = field(default_factory=list)
    released: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Made:
    node_id: int
    version_id: int | None
    rev: int
    size: int


async def write(
    conn: Connection,
    draft: Draft,
    asked: Asked,
    targets: Sequence[Target],
    devices: Sequence[str],
    outcomes: Sequence[Outcome],
    id_maker: IdMaker,
    fresh_until: datetime,
) -> list[CommitOutcome]:
    """An answer per target. `devices`: what each comes from.

    `fresh_until`: how long a blob lives that loses its last version.
    """
    plan = _Plan()
    made: dict[int, _Made] = {}
    new_ids = iter(id_maker.batch(2 * len(targets) or 1))
    for place, (target, outcome) in enumerate(zip(targets, outcomes, strict=True)):
        if outcome.writes:
            made[place] = _plan_one(
                draft, asked, plan, target, devices[place], outcome, new_ids.__next__
            )
    await _execute(conn, draft, plan, fresh_until)
    return [
        _answer(draft, asked, made, place, target, outcome)
        for place, (target, outcome) in enumerate(zip(targets, outcomes, strict=True))
    ]


def _plan_one(
    draft: Draft,
    asked: Asked,
    plan: _Plan,
    target: Target,
    device: str,
    outcome: Outcome,
    new_id: Callable[[], int],
) -> _Made:
    there = outcome.current
    node_id = new_id() if there is None or there.node_id is None else there.node_id
    version = new_id() if target.kind is Kind.FILE else None
    rev = draft.add(
        node_id,
        "create" if there is None else "content",
        target.kind,
        old_parent=None if there is None else target.parent_id,
        new_parent=target.parent_id,
        name=target.name,
        version_id=version,
    )
    if there is None:
        plan.nodes.append(
            NewNode(
                node_id=node_id,
                parent_id=target.parent_id,
                name=target.name,
                folded=fold(target.name),
                kind=target.kind,
                flags=flags(target.name),
                version_id=version,
                size=target.size,
                mtime_ns=target.mtime_ns,
                mode=target.mode,
                target=target.link_target,
                rev=rev,
            )
        )
    else:
        plan.contents.append(
            Content(
                node_id, version, target.size, target.mtime_ns, target.mode, target.link_target, rev
            )
        )
    if version is not None:
        plan.versions.append(
            NewVersion(
                version,
                node_id,
                target.blob_id,
                target.size,
                target.sha256,
                target.mtime_ns,
                target.mode,
                device,
            )
        )
        _plan_drops(draft, asked, plan, node_id, version)
    if outcome.charged and target.blob_id is not None:
        draft.charged += outcome.charged
        plan.charged.add(target.blob_id)
    return _Made(node_id, version, rev, target.size)


def _plan_drops(draft: Draft, asked: Asked, plan: _Plan, node_id: int, newest: int) -> None:
    full = asked.histories.get(node_id)
    if full is None:
        return
    blobs = dict(zip(full.version_ids, full.blob_ids, strict=True))
    for version in to_drop([*full.version_ids, newest], newest, draft.space.versions_kept):
        plan.dropped.append(version)
        blob_id = blobs[version]
        if blob_id is not None:
            plan.released.add(blob_id)


async def _execute(conn: Connection, draft: Draft, plan: _Plan, fresh_until: datetime) -> None:
    space_id = draft.space_id
    if plan.nodes:
        await nodes.insert(conn, space_id, plan.nodes, draft.now)
    if plan.contents:
        await nodes.set_content(conn, space_id, plan.contents)
    if plan.versions:
        await versions.insert(
            conn, space_id, plan.versions, author=draft.caller.user_id, now=draft.now
        )
    if plan.charged:
        await versions.charge(conn, space_id, sorted(plan.charged))
    if plan.dropped:
        await versions.delete(conn, space_id, plan.dropped)
    if plan.released:
        await versions.release(conn, space_id, sorted(plan.released), fresh_until)


_STATUS: dict[Verdict, Literal["created", "version", "unchanged", "exists"]] = {
    Verdict.CREATED: "created",
    Verdict.NEW_VERSION: "version",
    Verdict.UNCHANGED: "unchanged",
    Verdict.EXISTS: "exists",
}


def _answer(
    draft: Draft,
    asked: Asked,
    made: dict[int, _Made],
    place: int,
    target: Target,
    outcome: Outcome,
) -> CommitOutcome:
    space_id = draft.space_id
    if outcome.problem is not None:
        problem = outcome.problem
        return CommitOutcome(status="error", code=problem.code, detail=str(problem))
    there = outcome.current
    known = made.get(place)
    if known is None and there is not None and there.made_by is not None:
        known = made[there.made_by]
    before = asked.named.get((target.parent_id, target.name))
    if outcome.verdict is Verdict.CONFLICT:
        return CommitOutcome(
            status="conflict",
            code=Conflict.code,
            detail="It has changed in the meantime." if there else "Nothing is there any more.",
            current=None if there is None else _current(space_id, there, known, before),
        )
    if known is not None:
        node, version, rev = known.node_id, known.version_id, known.rev
    else:
        assert there is not None
        assert there.node_id is not None
        node, version, rev = there.node_id, there.version_id, there.rev
    return CommitOutcome(
        status=_STATUS[outcome.verdict],
        node=ids.encode("n", space_id, node),
        version=version_id(space_id, version),
        rev=rev,
    )


def _current(
    space_id: int, there: Existing, made: _Made | None, before: Named | None
) -> CurrentState:
    """What the name holds: as this batch made it, or as it was before."""
    if made is None:
        assert before is not None
        return current_state(space_id, before)
    return CurrentState(
        node=ids.encode("n", space_id, made.node_id),
        kind=there.kind,
        version=version_id(space_id, made.version_id),
        rev=made.rev,
        size=made.size,
    )
