"""Every interrupted prefix of an upload's steps, finished by a worker, ends in the same state.

The store here is a model of what was measured of MinIO and SeaweedFS, not a stand-in for them:
Complete a second time says "no such upload", a late Create or Complete may take effect after
whoever sent it is dead, and a Complete and an Abort that meet may both say yes and leave the
object. The real stores are in the integration tests.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import UploadState
from appliance.domain.parts import Method
from appliance.domain.upload_states import (
    ABSENT,
    Called,
    Event,
    Facts,
    State,
    Step,
    after,
    first_state,
    next_state,
    next_step,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDLE = timedelta(days=7)
URLS = timedelta(hours=2)
SIZE = 12
RESTS = {Step.WAIT, Step.DONE, Step.FORGET}


@dataclass
class Store:
    """One key of the bucket."""

    object: int | None = None
    uploads: set[int] = field(default_factory=set)
    parts: bool = False  # all of them are there, and right
    made: int = 0

    def create(self) -> int:
        self.made += 1
        self.uploads.add(self.made)
        return self.made

    def complete(self, upload: int | None) -> Called:
        if upload not in self.uploads:
            return Called.GONE
        if not self.parts:
            return Called.REFUSED
        self.uploads.discard(upload)
        self.object = SIZE
        return Called.OK

    def abort_all(self) -> None:
        self.uploads.clear()

    def empty(self) -> bool:
        return self.object is None and not self.uploads


@dataclass
class Row:
    """The row of one upload. `run` is a process that may die after any number of steps."""

    method: Method
    store: Store
    state: State = field(init=False)
    s3_id: int | None = None
    now: datetime = NOW
    forgotten: bool = False

    def __post_init__(self) -> None:
        self.state = first_state(self.method)

    def open(self) -> None:
        self.s3_id = self.store.create()
        self.state = next_state(self.state, Event.OPEN)

    def facts(self) -> Facts:
        return Facts(self.state, self.method, SIZE, NOW + IDLE, NOW + URLS)

    def run(self, most: int = 100) -> list[Step]:
        facts, taken = self.facts(), []
        for _ in range(most):
            step = next_step(facts, self.now)
            taken.append(step)
            if step in RESTS:
                self.forgotten |= step is Step.FORGET
                break
            facts = self.take(step, facts)
        else:
            assert most < 100, taken
        return taken

    def take(self, step: Step, facts: Facts) -> Facts:
        store = self.store
        match step:
            case Step.COMPLETE:
                return replace(facts, completed=store.complete(self.s3_id))
            case Step.HEAD:
                return replace(facts, head=ABSENT if store.object is None else store.object)
            case Step.ABORT:
                store.abort_all()
                return replace(facts, aborted=True)
            case Step.DELETE:
                store.object = None
                return replace(facts, head=ABSENT)
        event = {
            Step.RECORD_UPLOADED: Event.VERIFIED,
            Step.RECORD_REFUSED: Event.REFUSED,
            Step.RECORD_LOST: Event.LOST,
            Step.RECORD_EXPIRED: Event.EXPIRE,
            Step.RECORD_PURGED: Event.PURGED,
        }[step]
        facts = after(facts, event)
        self.state = facts.state
        return facts


def sent(method: Method) -> Row:
    """All bytes are in the store; nothing has been completed."""
    row = Row(method, Store())
    if method is Method.MULTIPART:
        row.open()
        row.store.parts = True
    else:
        row.store.object = SIZE
    return row


METHODS = [Method.SINGLE, Method.MULTIPART]
BOTH = pytest.mark.parametrize("method", METHODS)
CRASHES = pytest.mark.parametrize("crashes", list(itertools.product(range(7), repeat=2)), ids=str)


@BOTH
@CRASHES
def test_a_complete_cut_off_anywhere_ends_uploaded(
    method: Method, crashes: tuple[int, ...]
) -> None:
    row = sent(method)
    row.state = next_state(row.state, Event.COMPLETE)
    for most in crashes:
        row.run(most)
        assert row.store.object == SIZE or row.s3_id in row.store.uploads, "the bytes are there"
    row.run()
    assert row.state is State.UPLOADED
    assert row.store.object == SIZE
    assert not row.store.uploads


@BOTH
@CRASHES
@pytest.mark.parametrize("begun", ["reserved", "created", "sent"])
def test_an_abort_cut_off_anywhere_leaves_nothing(
    method: Method, crashes: tuple[int, ...], begun: str
) -> None:
    row = sent(method) if begun == "sent" else Row(method, Store())
    if begun == "created" and method is Method.MULTIPART:
        row.store.create()  # and died before it recorded the id
    row.state = next_state(row.state, Event.ABORT)
    for most in crashes:
        row.run(most)
    assert row.run()[-1] is Step.WAIT
    assert row.state is State.PURGED
    assert row.store.empty()
    row.now = NOW + URLS
    for most in crashes:
        row.run(most)
    assert row.run()[-1] is Step.FORGET
    assert row.store.empty()


@BOTH
def test_what_lands_after_the_abort_is_purged_before_the_row_is_forgotten(method: Method) -> None:
    row = sent(method)
    row.state = next_state(row.state, Event.ABORT)
    row.run()
    row.store.object = SIZE  # a slow PUT, or a Complete that said yes as well
    if method is Method.MULTIPART:
        row.store.create()  # sent by a process that was stopped meanwhile
    assert row.run() == [Step.WAIT]
    assert not row.forgotten, "the row still explains the object"
    row.now = NOW + URLS
    row.run()
    assert row.forgotten
    assert row.store.empty()


def test_a_tombstone_is_not_forgotten_on_what_was_seen_earlier() -> None:
    """Time passes the limit in the middle of a run: the key must be looked at again."""
    row = sent(Method.SINGLE)
    row.state = next_state(row.state, Event.ABORT)
    facts = row.facts()
    while row.state is not State.PURGED:
        facts = row.take(next_step(facts, NOW), facts)
    row.store.object = SIZE
    assert next_step(facts, NOW + URLS) is Step.HEAD


@given(
    st.lists(st.sampled_from(["complete", "abort", "run", "part", "late"]), max_size=14), st.data()
)
def test_complete_and_abort_in_any_order_agree_with_the_store(
    calls: list[str], data: st.DataObject
) -> None:
    """Two clients and a worker, each cut off anywhere; Complete may take effect late and twice."""
    row = Row(Method.MULTIPART, Store())
    row.open()
    row.store.parts = data.draw(st.booleans())
    completed = False
    for call in calls:
        match call:
            case "complete" | "abort":
                try:
                    row.state = next_state(row.state, Event(call))
                except UploadState as problem:
                    assert problem.extra == {"state": row.state}
                completed |= row.state is State.COMPLETING
            case "part":
                row.store.parts = True
            case "late" if completed and row.state is not State.UPLOADED:
                row.store.complete(row.s3_id)
        row.run(data.draw(st.integers(0, 5)))
        if row.state is State.UPLOADED:
            assert row.store.object == SIZE
    if row.state is State.COMPLETING:
        row.run()
    if row.state is State.UPLOADED:
        row.now = NOW + URLS
        row.run()
        assert row.store.object == SIZE, "nothing takes an uploaded object away"
        return
    row.now = NOW + IDLE
    row.run()
    assert row.forgotten
    assert row.store.empty()


@BOTH
def test_both_say_yes_and_the_object_exists(method: Method) -> None:
    """The race that the stores lose most of the time: HEAD decides after the database has."""
    row = sent(method)
    row.state = next_state(row.state, Event.ABORT)
    row.store.object = SIZE
    assert Step.DELETE in row.run()
    assert row.store.empty()


def test_a_complete_with_parts_missing_goes_back_to_uploading() -> None:
    row = sent(Method.MULTIPART)
    row.store.parts = False
    row.state = next_state(row.state, Event.COMPLETE)
    assert row.run() == [Step.COMPLETE, Step.RECORD_REFUSED, Step.WAIT]
    assert row.state is State.UPLOADING
    row.store.parts = True
    row.state = next_state(row.state, Event.COMPLETE)
    row.run()
    assert row.state is State.UPLOADED


def test_a_single_put_that_never_came_goes_back_to_uploading() -> None:
    row = Row(Method.SINGLE, Store())
    row.state = next_state(row.state, Event.COMPLETE)
    assert row.run() == [Step.HEAD, Step.RECORD_REFUSED, Step.WAIT]
    assert row.state is State.UPLOADING


@pytest.mark.parametrize("there", [None, SIZE - 1])
def test_an_upload_that_the_store_lost_is_purged(there: int | None) -> None:
    row = sent(Method.MULTIPART)
    row.store.abort_all()  # the store's own expiry
    row.store.object = there
    row.state = next_state(row.state, Event.COMPLETE)
    assert Step.RECORD_LOST in row.run()
    assert row.state is State.PURGED
    assert row.store.empty()


def test_nothing_seen_is_no_loss_while_a_complete_may_be_under_way() -> None:
    row = sent(Method.MULTIPART)
    row.state = next_state(row.state, Event.COMPLETE)
    facts = replace(
        row.facts(), completed=Called.GONE, head=ABSENT, lost_from=NOW + timedelta(minutes=5)
    )
    assert next_step(facts, NOW) is Step.WAIT
    assert next_step(facts, NOW + timedelta(minutes=5)) is Step.RECORD_LOST
    assert next_step(replace(facts, head=SIZE - 1), NOW) is Step.RECORD_LOST
    assert next_step(replace(facts, head=SIZE), NOW) is Step.RECORD_UPLOADED


@BOTH
def test_an_upload_expires_only_when_it_has_been_idle(method: Method) -> None:
    row = sent(method)
    row.now = NOW + IDLE - timedelta(microseconds=1)
    assert row.run() == [Step.WAIT]
    row.now = NOW + IDLE
    assert row.run()[0] is Step.RECORD_EXPIRED
    assert row.store.empty()


def test_a_completing_upload_does_not_expire() -> None:
    row = sent(Method.MULTIPART)
    row.state = next_state(row.state, Event.COMPLETE)
    row.now = NOW + IDLE * 10
    row.run()
    assert row.store.object == SIZE


def test_a_stray_multipart_upload_goes_before_an_uploaded_row() -> None:
    row = sent(Method.MULTIPART)
    row.store.create()  # two processes resumed it; one id was recorded
    row.state = next_state(row.state, Event.COMPLETE)
    assert row.run()[-1] is Step.DONE
    row.now = NOW + URLS
    assert row.run() == [Step.ABORT, Step.FORGET]
    assert row.store.object == SIZE
    assert not row.store.uploads


ILLEGAL = {
    State.RESERVED: {Event.COMPLETE, Event.VERIFIED, Event.REFUSED, Event.LOST, Event.PURGED},
    State.UPLOADING: {Event.OPEN, Event.VERIFIED, Event.REFUSED, Event.LOST, Event.PURGED},
    State.COMPLETING: {Event.OPEN, Event.ABORT, Event.EXPIRE, Event.PURGED},
    State.UPLOADED: set(Event) - {Event.COMPLETE, Event.VERIFIED},
    State.ABORTING: set(Event) - {Event.ABORT, Event.PURGED},
    State.PURGED: set(Event) - {Event.ABORT, Event.PURGED},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_no_illegal_move(state: State, event: Event) -> None:
    if event in ILLEGAL[state]:
        with pytest.raises(UploadState) as caught:
            next_state(state, event)
        assert caught.value.extra == {"state": state.value}
    else:
        next_state(state, event)


def test_every_step_of_a_plan_leads_to_a_legal_move() -> None:
    """next_step never proposes to record what next_state refuses, whatever is known."""
    for state, method, called, aborted, head, late in itertools.product(
        State, METHODS, [None, *Called], [False, True], [None, ABSENT, SIZE, 1], [0, 3, 100]
    ):
        row = Row(method, Store())
        facts = replace(row.facts(), state=state, completed=called, aborted=aborted, head=head)
        step = next_step(facts, NOW + timedelta(hours=late * 2))
        if step not in RESTS:
            row.take(step, facts)


def test_where_an_upload_begins() -> None:
    assert first_state(Method.MULTIPART) is State.RESERVED
    assert first_state(Method.SINGLE) is State.UPLOADING
    assert first_state(Method.EMPTY) is State.UPLOADED
