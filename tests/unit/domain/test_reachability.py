"""No committed byte becomes unreachable, whatever happens in whatever order.

The last tests break one rule each and see that the same machine then finds the loss: a machine
that can't notice would prove nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from appliance.domain import retention
from appliance.domain.commits import BlobState
from appliance.domain.ids import ROOT
from appliance.domain.parts import Method
from appliance.domain.upload_states import Event, Facts, State, Step, next_step
from tests.unit.domain.space_model import FRESH, HOUR, LONGEST_PUT, URL, Rules, Space, UploadRow

pick = st.integers(0, 5)
cut = st.integers(0, 5)
METHODS = st.sampled_from([Method.SINGLE, Method.MULTIPART])
contents = st.sampled_from([b"a", b"bb", b"ccc", b"dddd"])


class SpaceMachine(RuleBasedStateMachine):
    decisions = Rules()

    def __init__(self) -> None:
        super().__init__()
        self.space = Space(replace(self.decisions))
        self.urls: list[UploadRow] = []

    def some_upload(self, index: int) -> UploadRow | None:
        rows = list(self.space.uploads.values())
        return rows[index % len(rows)] if rows else None

    @rule(content=contents, method=METHODS, steps=cut)
    def upload(self, content: bytes, method: Method, steps: int) -> None:
        if self.space.known(content) is None:
            self.space.begin(content, method, steps)
            self.urls.append(list(self.space.uploads.values())[-1])

    @rule(content=contents, method=METHODS, commit=st.booleans())
    def upload_at_once(self, content: bytes, method: Method, commit: bool) -> None:
        """The usual path, so that the rarer ones start from somewhere."""
        self.upload(content, method, 2)
        if (found := self.space.known(content)) is None:
            row = self.urls[-1]
            self.space.put(row.id, row.method, row.content, row.s3_id)
            self.space.move(row, Event.COMPLETE)
            self.space.run(row, 10)
            found = self.space.blobs[row.id]
        if commit:
            self.space.commit(f"{found.id}", found.id, content, None)

    @rule(index=pick)
    def send(self, index: int) -> None:
        """From any URL ever signed, as long as a PUT on it may land."""
        live = [row for row in self.urls if self.space.now < row.url_expires + LONGEST_PUT]
        if live:
            row = live[index % len(live)]
            self.space.put(row.id, row.method, row.content, row.s3_id)

    @rule(index=pick)
    def sign(self, index: int) -> None:
        if row := self.some_upload(index):
            self.space.sign(row)

    @rule(index=pick, event=st.sampled_from([Event.COMPLETE, Event.ABORT]), most=cut)
    def complete_or_abort(self, index: int, event: Event, most: int) -> None:
        if (row := self.some_upload(index)) and self.space.move(row, event):
            self.space.run(row, most)

    @rule(index=pick, most=cut)
    def worker(self, index: int, most: int) -> None:
        if row := self.some_upload(index):
            self.space.run(row, most)

    @rule(content=contents)
    def known(self, content: bytes) -> None:
        blob = self.space.known(content)
        assert blob is None or blob.content == content

    @precondition(lambda self: self.space.blobs)
    @rule(index=pick, name=st.sampled_from("xy"), stale=st.sampled_from([False] * 3 + [True]))
    def commit(self, index: int, name: str, stale: bool) -> None:
        """Also of blobs that died since the client asked, and on bases no longer current."""
        space = self.space
        blob = list(space.blobs.values())[index % len(space.blobs)]
        at = [n.version for n in space.nodes.values() if (n.parent, n.name) == (ROOT, name)]
        base = None if stale or not at else at[0]
        outcome = space.commit(name, blob.id, blob.content, base)
        assert not (outcome.writes and stale and at)

    @precondition(lambda self: self.space.nodes)
    @rule(index=pick, what=st.sampled_from(["trash", "restore", "purge"]))
    def put_away(self, index: int, what: str) -> None:
        nodes = list(self.space.nodes.values())
        getattr(self.space, what)(nodes[index % len(nodes)])

    @precondition(lambda self: self.space.nodes)
    @rule(index=pick)
    def delete_for_good(self, index: int) -> None:
        nodes = list(self.space.nodes.values())
        self.space.trash(nodes[index % len(nodes)])
        self.space.purge(nodes[index % len(nodes)])
        self.space.purge_next()

    @rule()
    def purge_next(self) -> None:
        self.space.purge_next()

    @rule(later=st.booleans())
    def dying(self, later: bool) -> None:
        if later:
            self.space.now += FRESH
        self.space.bury()

    @rule(steps=st.integers(0, 2))
    def delete(self, steps: int) -> None:
        self.space.delete(steps)

    @rule(hours=st.sampled_from([1, 2, 4, 8]))
    def time_passes(self, hours: int) -> None:
        self.space.now += hours * HOUR

    @invariant()
    def nothing_is_lost(self) -> None:
        self.space.check()

    def teardown(self) -> None:
        self.space.settle()


LOOK = settings(
    max_examples=120,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_committed_byte_becomes_unreachable() -> None:
    run_state_machine_as_test(SpaceMachine, settings=LOOK)


def abort_blindly(facts: Facts, now: datetime) -> Step:
    """What a worker without HEAD would do: trust Abort's word."""
    if facts.state is State.ABORTING and facts.head is None:
        return Step.RECORD_PURGED
    if facts.state is State.PURGED:
        return Step.FORGET
    return next_step(facts, now)


def believe(facts: Facts, now: datetime) -> Step:
    """Completing without a look at the store."""
    if facts.state is State.COMPLETING:
        return Step.RECORD_UPLOADED
    return next_step(facts, now)


LOST = "blob is dying|blob has no row|committed byte is gone"
LEFT = "no row explains|left over"
BROKEN = {
    "versions don't keep a blob": (
        Rules(may_die=lambda versions, pins, fresh, now: now >= fresh),
        LOST,
    ),
    "the current version is dropped": (
        Rules(kept=1, to_drop=lambda ids, current, kept: [current] if len(ids) > kept else []),
        "current version is gone",
    ),
    "dying blobs take references": (Rules(shown_as=lambda state: BlobState.LIVE), LOST),
    "an aborted upload is forgotten at once": (Rules(next_step=abort_blindly), LEFT),
    "Complete is believed": (Rules(next_step=believe), LOST),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_the_machine_notices_a_broken_rule(broken: str) -> None:
    decisions, words = BROKEN[broken]
    machine = type("Broken", (SpaceMachine,), {"decisions": decisions})
    with pytest.raises(AssertionError, match=words):
        run_state_machine_as_test(
            machine, settings=settings(LOOK, max_examples=600, phases=[Phase.generate])
        )


@pytest.mark.parametrize(("grace", "left"), [(timedelta(0), True), (URL + LONGEST_PUT, False)])
def test_a_dying_blob_outlives_the_urls_of_its_upload(grace: timedelta, left: bool) -> None:
    """Were its object deleted earlier, a replayed URL would bring it back with no row."""
    space = Space(Rules(dying_grace=grace, may_die=lambda versions, *_: versions == 0))
    space.begin(b"a", Method.SINGLE, 0)
    (row,) = space.uploads.values()
    space.put(row.id, row.method, row.content, None)
    space.move(row, Event.COMPLETE)
    space.run(row, 10)
    end = row.url_expires + LONGEST_PUT
    while space.now < end:
        space.bury()
        space.delete(2)
        space.put(row.id, row.method, row.content, None)
        space.now += HOUR / 2
    space.run(row, 10)
    space.delete(2)
    assert bool(space.objects.keys() - space.blobs.keys()) is left


def test_the_rules_are_the_real_ones() -> None:
    assert Rules().may_die is retention.may_die
    assert Rules().next_step is next_step
