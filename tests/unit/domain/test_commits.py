from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.commits import (
    Blob,
    BlobState,
    Current,
    Existing,
    Kind,
    Outcome,
    Target,
    Verdict,
    decide,
)

ROOT, OTHER, TRASHED = 1, 50, 60
ME, SOMEONE = 7, 8
BLOB = Blob(100, 10, 10, BlobState.LIVE, proven=True, author=ME, charged=False)
FILE = Existing(30, Kind.FILE, version_id=300, rev=5, blob_id=99)
FOLDER = Existing(31, Kind.FOLDER, version_id=None, rev=6)
LINK = Existing(32, Kind.LINK, version_id=None, rev=7, link_target="there")


def current(
    *children: tuple[str, Existing], blobs: tuple[Blob, ...] = (BLOB,), quota: int = 1000
) -> Current:
    return Current(
        author=ME,
        children={(ROOT, name): there for name, there in children},
        blobs={blob.id: blob for blob in blobs},
        live_parents=frozenset({ROOT, OTHER}),
        trashed_parents=frozenset({TRASHED}),
        quota=quota,
        used=0,
        reserved=0,
    )


def file(
    name: str = "a", base: int | None = None, blob: int | None = 100, size: int = 10
) -> Target:
    return Target(Kind.FILE, ROOT, name, base_version=base, blob_id=blob, size=size)


def link(target: str, base: int | None = None) -> Target:
    return Target(Kind.LINK, ROOT, "a", base_version=base, link_target=target)


FOLDER_TARGET = Target(Kind.FOLDER, ROOT, "a")
EMPTY = file(blob=None, size=0)


def one(now: Current, target: Target) -> Outcome:
    (outcome,) = decide(now, [target])
    return outcome


@pytest.mark.parametrize("target", [file(), EMPTY, FOLDER_TARGET, link("x")])
def test_a_free_name_is_created(target: Target) -> None:
    outcome = one(current(), target)
    assert outcome.verdict is Verdict.CREATED
    assert outcome.current is None


@pytest.mark.parametrize("target", [file(base=300), link("x", base=7)])
def test_what_was_to_be_changed_is_gone(target: Target) -> None:
    assert one(current(), target) == Outcome(Verdict.CONFLICT)


@pytest.mark.parametrize(
    ("there", "target"),
    [
        (FILE, file()),
        (FILE, file(base=299)),
        (FILE, EMPTY),
        (FILE, FOLDER_TARGET),
        (FILE, link("x")),
        (FILE, link("x", base=300)),
        (FILE, link("x", base=5)),
        (FOLDER, file()),
        (FOLDER, file(base=6)),
        (FOLDER, link("x", base=6)),
        (LINK, file(base=7)),
        (LINK, link("elsewhere")),
        (LINK, link("elsewhere", base=6)),
        (LINK, FOLDER_TARGET),
    ],
)
def test_nothing_is_overwritten_silently(there: Existing, target: Target) -> None:
    assert one(current(("a", there)), target) == Outcome(Verdict.CONFLICT, there)


def test_content_on_its_base_is_a_new_version() -> None:
    outcome = one(current(("a", FILE)), file(base=300))
    assert (outcome.verdict, outcome.current) == (Verdict.NEW_VERSION, FILE)
    emptied = one(current(("a", FILE)), replace(EMPTY, base_version=300))
    assert emptied.verdict is Verdict.NEW_VERSION
    assert one(current(("a", LINK)), link("elsewhere", base=7)).verdict is Verdict.NEW_VERSION


def test_the_same_again_is_unchanged() -> None:
    there = replace(FILE, blob_id=100, mtime_ns=4, mode=0o644)
    again = replace(file(base=300), mtime_ns=4, mode=0o644)
    assert one(current(("a", there)), again) == Outcome(Verdict.UNCHANGED, there)
    assert one(current(("a", LINK)), link("there")) == Outcome(Verdict.UNCHANGED, LINK)
    assert one(current(("a", FOLDER)), FOLDER_TARGET) == Outcome(Verdict.EXISTS, FOLDER)


def test_the_deepest_folder_holds_files_and_links_but_no_folder() -> None:
    deepest = replace(current(("there", FOLDER)), deepest_parents=frozenset({ROOT}))
    outcome = one(deepest, FOLDER_TARGET)
    assert outcome.problem is not None
    assert (outcome.verdict, outcome.problem.code) == (Verdict.PROBLEM, "tree-too-large")
    assert one(deepest, replace(FOLDER_TARGET, name="there")).verdict is Verdict.EXISTS
    assert one(deepest, replace(FOLDER_TARGET, parent_id=OTHER)).verdict is Verdict.CREATED
    for target in (file(), EMPTY, link("x")):
        assert one(deepest, target).verdict is Verdict.CREATED


@pytest.mark.parametrize("touched", [{"mtime_ns": 5}, {"mode": 0o755}])
def test_another_time_or_mode_is_a_version_too(touched: dict[str, int]) -> None:
    there = replace(FILE, blob_id=100)
    target = replace(file(base=300), **touched)
    assert one(current(("a", there)), target).verdict is Verdict.NEW_VERSION


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (replace(file(), parent_id=TRASHED), "parent-trashed"),
        (replace(file(), parent_id=12345), "not-found"),
        (replace(FOLDER_TARGET, parent_id=12345), "not-found"),
        (file(blob=101), "not-found"),
        (file(size=11), "invalid-body"),
        (file(blob=None), "invalid-body"),
        (replace(file(), link_target="x"), "invalid-body"),
        (replace(link("x"), blob_id=100), "invalid-body"),
        (replace(link("x"), link_target=None), "invalid-body"),
    ],
)
def test_a_target_that_cannot_be(target: Target, code: str) -> None:
    outcome = one(current(), target)
    assert outcome.verdict is Verdict.PROBLEM
    assert outcome.problem is not None
    assert outcome.problem.code == code


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (replace(BLOB, state=BlobState.DYING), "not-found"),
        (replace(BLOB, state=BlobState.PENDING), "upload-state"),
        (replace(BLOB, state=BlobState.QUARANTINED), "blob-quarantined"),
        (replace(BLOB, author=SOMEONE, proven=False), "not-found"),
        (replace(BLOB, author=SOMEONE, proven=False, state=BlobState.QUARANTINED), "not-found"),
    ],
)
def test_a_blob_that_may_not_be_used(blob: Blob, code: str) -> None:
    outcome = one(current(blobs=(blob,)), file())
    assert outcome.problem is not None
    assert outcome.problem.code == code


@pytest.mark.parametrize("blob", [replace(BLOB, author=SOMEONE), replace(BLOB, proven=False)])
def test_a_proven_blob_is_everybody_s_and_a_declared_one_its_author_s(blob: Blob) -> None:
    assert one(current(blobs=(blob,)), file()).verdict is Verdict.CREATED


def test_the_second_target_sees_the_first() -> None:
    first, second, third = decide(current(), [file(), file(), FOLDER_TARGET])
    assert first.verdict is Verdict.CREATED
    for later in (second, third):
        assert later.verdict is Verdict.CONFLICT
        assert later.current is not None
        assert (later.current.made_by, later.current.node_id) == (0, None)
    made, there = decide(current(), [FOLDER_TARGET, FOLDER_TARGET])
    assert (made.verdict, there.verdict) == (Verdict.CREATED, Verdict.EXISTS)
    changed, late = decide(current(("a", FILE)), [file(base=300), file(base=300)])
    assert (changed.verdict, late.verdict) == (Verdict.NEW_VERSION, Verdict.CONFLICT)
    assert late.current is not None
    assert (late.current.node_id, late.current.made_by, late.current.blob_id) == (30, 0, 100)
    relinked, again = decide(current(("a", LINK)), [link("x", base=7), link("y", base=7)])
    assert (relinked.verdict, again.verdict) == (Verdict.NEW_VERSION, Verdict.CONFLICT)


def test_a_failed_target_leaves_no_trace_for_the_next() -> None:
    bad, good = decide(current(), [file(size=11), file()])
    assert (bad.verdict, good.verdict) == (Verdict.PROBLEM, Verdict.CREATED)


def test_a_blob_is_charged_once() -> None:
    targets = [file("a"), file("b"), file("c")]
    outcomes = decide(current(quota=10), targets)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.CREATED] * 3
    assert [outcome.charged for outcome in outcomes] == [10, 0, 0]
    paid = replace(BLOB, charged=True)
    assert one(current(blobs=(paid,), quota=0), file()).charged == 0


def test_what_does_not_fit_is_refused_and_the_others_go_on() -> None:
    blobs = tuple(replace(BLOB, id=n, size=n, stored=n) for n in (4, 9, 5, 1))
    now = current(blobs=blobs, quota=10)
    outcomes = decide(now, [file(str(n), blob=n, size=n) for n in (4, 9, 5, 1)])
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.CREATED,
        Verdict.PROBLEM,
        Verdict.CREATED,
        Verdict.CREATED,
    ]
    problem = outcomes[1].problem
    assert problem is not None
    assert problem.code == "quota-exceeded"
    assert problem.extra == {"quota": 10, "used": 4, "reserved": 0, "wanted": 9}


def test_reserved_bytes_are_settled_and_always_fit() -> None:
    held = replace(BLOB, reserved=10)
    now = replace(current(blobs=(held,), quota=0), reserved=10)
    first, second = decide(now, [file("a"), file("b")])
    assert (first.charged, first.settled) == (10, 10)
    assert (second.charged, second.settled) == (0, 0)


def test_others_reservations_count() -> None:
    now = replace(current(quota=15), reserved=6)
    assert one(now, file()).problem is not None
    assert one(replace(now, reserved=5), file()).verdict is Verdict.CREATED


NAMES = ["a", "b"]
targets_of_any_kind = st.one_of(
    st.builds(
        Target,
        st.just(Kind.FILE),
        st.sampled_from([ROOT, OTHER, TRASHED, 99]),
        st.sampled_from(NAMES),
        base_version=st.sampled_from([None, 300, 301]),
        blob_id=st.sampled_from([100, 101, 102]),
        size=st.sampled_from([10, 11]),
    ),
    st.builds(Target, st.just(Kind.FOLDER), st.just(ROOT), st.sampled_from(NAMES)),
    st.builds(
        Target,
        st.just(Kind.LINK),
        st.just(ROOT),
        st.sampled_from(NAMES),
        base_version=st.sampled_from([None, 7]),
        link_target=st.sampled_from(["there", "x"]),
    ),
)
there = st.sampled_from([FILE, FOLDER, LINK, None])
some_blobs = st.tuples(
    *(
        st.builds(
            Blob,
            st.just(id),
            st.just(10),
            st.just(10),
            st.sampled_from(BlobState),
            st.booleans(),
            st.sampled_from([ME, SOMEONE]),
            st.booleans(),
        )
        for id in (100, 101)
    )
)


@given(st.lists(targets_of_any_kind, max_size=8), there, there, some_blobs, st.integers(0, 30))
def test_whatever_is_asked_the_invariants_hold(
    targets: list[Target],
    a: Existing | None,
    b: Existing | None,
    blobs: tuple[Blob, ...],
    quota: int,
) -> None:
    now = current(
        *[(name, node) for name, node in zip(NAMES, (a, b), strict=True) if node],
        blobs=blobs,
        quota=quota,
    )
    outcomes = decide(now, targets)
    assert len(outcomes) == len(targets)
    assert sum(outcome.charged for outcome in outcomes) <= quota
    charged: list[int | None] = []
    written: set[tuple[int, str]] = set()
    for target, outcome in zip(targets, outcomes, strict=True):
        at = (target.parent_id, target.name)
        assert (outcome.verdict is Verdict.PROBLEM) == (outcome.problem is not None)
        if outcome.verdict is Verdict.CREATED:
            assert at not in now.children
            assert at not in written
            assert target.base_version is None
        if outcome.verdict is Verdict.NEW_VERSION:
            assert outcome.current == now.children[at], "only what the client has seen"
            assert target.base_version == outcome.current.base
            assert at not in written
        if outcome.writes:
            written.add(at)
            if target.blob_id is not None:
                blob = now.blobs[target.blob_id]
                assert blob.state is BlobState.LIVE
                assert blob.proven or blob.author == ME
        else:
            assert (outcome.charged, outcome.settled) == (0, 0)
        if outcome.charged:
            charged.append(target.blob_id)
    assert len(charged) == len(set(charged))


@given(st.lists(targets_of_any_kind, max_size=6), some_blobs)
def test_a_batch_decides_like_its_targets_one_after_another(
    targets: list[Target], blobs: tuple[Blob, ...]
) -> None:
    """Each prefix of a batch has the outcomes that it has alone."""
    now = current(("a", FILE), blobs=blobs)
    together = decide(now, targets)
    for count in range(len(targets)):
        alone = decide(now, targets[:count])
        assert [o.verdict for o in alone] == [o.verdict for o in together[:count]]
