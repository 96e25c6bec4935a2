"""The life of an upload, and what to do next with one that was left in the middle.

    reserved ──open──► uploading ──complete──► completing ──verified──► uploaded
       │                  │  ▲                   │     │
       │                  │  └─────refused───────┘     │
       └───abort/expire───┴──────────────► aborting ◄──┘ lost
                                              └──purged──► purged (tombstone, then forgotten)

Invariant: an object or a multipart upload is in the store at any time only if a row explains it,
and a committed byte never becomes unreachable. It holds because

- the row with the object key is written before the store is told anything;
- the database decides first: Complete is only called in `completing`, Abort and Delete only in
  `aborting` and `purged`, each entered by compare-and-swap. No state before `uploaded` can be
  committed, and `uploaded` is never left: its bytes belong to the blob from then on;
- every step may be done again after a crash that forgot it was done. Complete answers "no such
  upload" the second time, so HEAD decides, never Complete's own word;
- the store may say yes to a Complete and an Abort that meet, and keep the object; a PUT may land
  after its URL expired, if it began before. So a purged row stays as a tombstone until the last
  URL and the longest PUT are over, and then the key is purged once more before it is forgotten.

`next_step` is the plan of the workers and of the request that completes or aborts: do the step,
put what was learned into the facts, ask again. What is known of the store starts unknown in every
run and is forgotten with every move (`after`): a tombstone is purged by looking again, not by
what was seen while URLs were still good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from appliance.domain.errors import UploadState
from appliance.domain.parts import Method

__all__ = [
    "ABSENT",
    "Called",
    "Event",
    "Facts",
    "State",
    "Step",
    "after",
    "first_state",
    "next_state",
    "next_step",
]


class State(StrEnum):
    RESERVED = "reserved"  # the row is written; the store may or may not have been told
    UPLOADING = "uploading"  # URLs may be signed
    COMPLETING = "completing"
    UPLOADED = "uploaded"
    ABORTING = "aborting"
    PURGED = "purged"


class Event(StrEnum):
    OPEN = "open"  # the multipart upload's id is recorded
    COMPLETE = "complete"
    VERIFIED = "verified"  # HEAD showed an object of the right size
    REFUSED = "refused"  # the store says that parts are missing or others; the client may go on
    LOST = "lost"  # nothing is left to complete, or something else is there
    ABORT = "abort"  # by its owner
    EXPIRE = "expire"  # no activity for too long
    PURGED = "purged"


# An event that finds its work done or under way changes nothing: calls may be repeated.
_MOVES: dict[State, dict[Event, State]] = {
    State.RESERVED: {
        Event.OPEN: State.UPLOADING,
        Event.ABORT: State.ABORTING,
        Event.EXPIRE: State.ABORTING,
    },
    State.UPLOADING: {
        Event.COMPLETE: State.COMPLETING,
        Event.ABORT: State.ABORTING,
        Event.EXPIRE: State.ABORTING,
    },
    State.COMPLETING: {
        Event.COMPLETE: State.COMPLETING,
        Event.VERIFIED: State.UPLOADED,
        Event.REFUSED: State.UPLOADING,
        Event.LOST: State.ABORTING,
    },
    State.UPLOADED: {Event.COMPLETE: State.UPLOADED, Event.VERIFIED: State.UPLOADED},
    State.ABORTING: {Event.ABORT: State.ABORTING, Event.PURGED: State.PURGED},
    State.PURGED: {Event.ABORT: State.PURGED, Event.PURGED: State.PURGED},
}

_WHY_NOT = {
    State.RESERVED: "is only just being set up",
    State.UPLOADING: "is still going on",
    State.COMPLETING: "is being completed",
    State.UPLOADED: "is complete",
    State.ABORTING: "was aborted",
    State.PURGED: "was aborted",
}


def first_state(method: Method) -> State:
    """Only a multipart upload has something to set up in the store before bytes may come."""
    if method is Method.MULTIPART:
        return State.RESERVED
    return State.UPLOADED if method is Method.EMPTY else State.UPLOADING


def next_state(state: State, event: Event) -> State:
    """Raises UploadState for a move that isn't drawn above."""
    try:
        return _MOVES[state][event]
    except KeyError:
        raise UploadState(f"The upload {_WHY_NOT[state]}.", extra={"state": state.value}) from None


class Called(StrEnum):
    """What the store answered to CompleteMultipartUpload in this run."""

    OK = "ok"
    GONE = "gone"  # no such upload: done by an earlier run, or aborted, or expired in the store
    REFUSED = "refused"  # a part is missing, is another one, or is too small


ABSENT = -1  # HEAD: there is no object


@dataclass(frozen=True, slots=True)
class Facts:
    """The row, and what this run has learned of the store (unknown: None, False)."""

    state: State
    method: Method
    size: int
    idle_until: datetime  # last activity plus the allowed idle time
    purge_until: datetime  # expiry of the last signed URL plus the longest PUT
    lost_from: datetime | None = None  # before it, a Complete that nobody hears of may be at work
    completed: Called | None = None
    aborted: bool = False
    head: int | None = None  # size of the object, or ABSENT; ABSENT again after a DELETE


def after(facts: Facts, event: Event) -> Facts:
    """The facts once the row has made its move. Raises UploadState."""
    state = next_state(facts.state, event)
    return replace(facts, state=state, completed=None, aborted=False, head=None)


class Step(StrEnum):
    WAIT = "wait"  # for the client, or for time to pass
    COMPLETE = "complete"  # CompleteMultipartUpload with the recorded ETags
    HEAD = "head"
    RECORD_UPLOADED = "record-uploaded"  # event verified; the blob is live from here on
    RECORD_REFUSED = "record-refused"
    RECORD_LOST = "record-lost"
    RECORD_EXPIRED = "record-expired"
    ABORT = "abort"  # every multipart upload under this key: a crash may have hidden its id
    DELETE = "delete"
    RECORD_PURGED = "record-purged"  # event purged
    FORGET = "forget"  # delete the row
    DONE = "done"


def next_step(facts: Facts, now: datetime) -> Step:
    """What a run that knows this does next; it ends at WAIT, DONE or FORGET."""
    match facts.state:
        case State.RESERVED | State.UPLOADING:
            return Step.RECORD_EXPIRED if now >= facts.idle_until else Step.WAIT
        case State.COMPLETING:
            return _completing(facts, now)
        case State.UPLOADED:
            return Step.DONE if now < facts.purge_until else _forget_uploaded(facts)
        case State.ABORTING:
            return _purge(facts) or Step.RECORD_PURGED
        case State.PURGED:
            if now < facts.purge_until:
                return Step.WAIT
            return _purge(facts) or Step.FORGET


def _completing(facts: Facts, now: datetime) -> Step:
    """That nothing is there proves a loss only when no slow Complete can be under way any more."""
    if facts.method is Method.MULTIPART:
        if facts.completed is None:
            return Step.COMPLETE
        if facts.completed is Called.REFUSED:
            return Step.RECORD_REFUSED
    if facts.head is None:
        return Step.HEAD
    if facts.head == facts.size:
        return Step.RECORD_UPLOADED
    if facts.head == ABSENT and facts.method is Method.SINGLE:
        return Step.RECORD_REFUSED
    if facts.head == ABSENT and facts.lost_from is not None and now < facts.lost_from:
        return Step.WAIT
    return Step.RECORD_LOST


def _forget_uploaded(facts: Facts) -> Step:
    """The blob explains the object; what a crash between two Creates may have left is aborted."""
    if facts.method is Method.MULTIPART and not facts.aborted:
        return Step.ABORT
    return Step.FORGET


def _purge(facts: Facts) -> Step | None:
    """Abort before HEAD: the other way round a Complete between the two would go unseen."""
    if facts.method is Method.MULTIPART and not facts.aborted:
        return Step.ABORT
    if facts.head is None:
        return Step.HEAD
    return None if facts.head == ABSENT else Step.DELETE
