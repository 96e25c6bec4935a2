"""Commits on real rows: what is written, charged and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from appliance.domain import ids
from appliance.domain.errors import (
    IdempotencyMismatch,
    NotFound,
    Problem,
    QuotaExceeded,
    UploadState,
)
from appliance.services.commits import Commits
from appliance.store.pools import Stores
from appliance.wire.uploads import Commit, CommitTarget

from .homes import Home


async def row(stores: Stores, home: Home, sql: str, values: Mapping[str, object] | None = None):
    """One row of a space, by plain SQL that the store doesn't have."""
    async with stores.read(home.space_id) as conn:
        cursor = await conn.execute(sql, {"space_id": home.space_id, **(values or {})})
        return await cursor.fetchone()


async def used(stores: Stores, home: Home) -> int:
    found = await row(stores, home, "select used_bytes from spaces where space_id = %(space_id)s")
    return found.used_bytes


async def test_a_file_is_created(draw, files, home, stores) -> None:
    outcome = await draw.file(home, "a.txt", size=7)
    assert outcome.status == "created"
    node = await files.node(home.caller, outcome.node)
    assert (node.name, node.size, node.version, node.rev) == ("a.txt", 7, outcome.version, 1)
    assert node.parent == home.root
    assert node.sha256 is not None
    assert await used(stores, home) == 7


async def test_an_empty_file_needs_no_upload(draw, files, home, stores) -> None:
    target = CommitTarget(kind="file", parent=home.root, name="empty")
    (outcome,) = await draw.commit(home, target)
    assert outcome.status == "created"
    assert (await files.chunks(home.caller, outcome.node)).items == []
    assert await used(stores, home) == 0


async def test_a_blob_is_charged_once(draw, home, stores) -> None:
    upload = await draw.blob(home, 50)
    assert (await draw.file(home, "a", upload=upload)).status == "created"
    assert (await draw.file(home, "b", upload=upload)).status == "created"
    assert await used(stores, home) == 50


async def test_a_new_version_needs_the_current_base(draw, files, home) -> None:
    first = await draw.file(home, "a")
    second = await draw.file(home, "a", base=first.version)
    assert (second.status, second.node) == ("version", first.node)
    late = await draw.file(home, "a", base=first.version)
    assert (late.status, late.code) == ("conflict", "conflict")
    assert late.current is not None
    assert late.current.version == second.version
    assert (await files.node(home.caller, first.node)).version == second.version
    unbased = await draw.file(home, "a")
    assert unbased.status == "conflict"


async def test_a_base_of_nothing_is_a_conflict(draw, home) -> None:
    first = await draw.file(home, "a")
    outcome = await draw.file(home, "other", base=first.version)
    assert (outcome.status, outcome.current) == ("conflict", None)


async def test_the_same_content_again_changes_nothing(draw, files, home) -> None:
    upload = await draw.blob(home)
    first = await draw.file(home, "a", upload=upload)
    seq = (await files.space(home.caller, home.space)).seq
    again = await draw.file(home, "a", upload=upload, base=first.version)
    assert (again.status, again.version) == ("unchanged", first.version)
    assert (await files.space(home.caller, home.space)).seq == seq


async def test_targets_are_independent(draw, home) -> None:
    outcomes = await draw.commit(
        home,
        CommitTarget(kind="folder", parent=home.root, name="good"),
        CommitTarget(kind="folder", parent=home.root, name="bad/name"),
        CommitTarget(kind="folder", parent=home.node(12345), name="nowhere"),
        CommitTarget(kind="folder", parent=home.root, name="good"),
        CommitTarget(kind="link", parent=home.root, name="good", target="elsewhere"),
        CommitTarget(kind="file", parent=home.root, name="no-upload", upload="u" + "A" * 22),
    )
    assert [outcome.status for outcome in outcomes] == [
        "created", "error", "error", "exists", "conflict", "error",
    ]  # fmt: skip
    assert [outcome.code for outcome in outcomes] == [
        None, "invalid-name", "not-found", None, "conflict", "not-found",
    ]  # fmt: skip
    assert outcomes[3].node == outcomes[0].node


async def test_links_are_kept_and_only_the_same_target_is_accepted(draw, files, home) -> None:
    def link(target: str) -> CommitTarget:
        return CommitTarget(kind="link", parent=home.root, name="l", target=target, mode=0o777)

    (made,) = await draw.commit(home, link("../far away"))
    assert made.status == "created"
    assert (await files.node(home.caller, made.node)).target == "../far away"
    (same,) = await draw.commit(home, link("../far away"))
    assert (same.status, same.node) == ("unchanged", made.node)
    (other,) = await draw.commit(home, link("elsewhere"))
    assert other.status == "conflict"


async def test_twins_and_windows_names_are_accepted_and_flagged(draw, files, home) -> None:
    first = await draw.file(home, "Read me?")
    second = await draw.file(home, "READ ME?")
    assert first.status == second.status == "created"
    node = await files.node(home.caller, first.node)
    assert node.flags == ["windows-unfit", "case-twin"]
    page = await files.children(home.caller, home.root)
    assert [(item.name, "case-twin" in item.flags) for item in page.items] == [
        ("READ ME?", True),
        ("Read me?", True),
    ]


@pytest.mark.parametrize("state", ["quarantined", "dying"])
async def test_only_a_live_blob_is_committed(draw, home, state) -> None:
    upload = await draw.blob(home, state=state)
    outcome = await draw.file(home, "a", upload=upload)
    assert outcome.code == {"quarantined": "blob-quarantined", "dying": "not-found"}[state]


async def test_an_unproven_blob_is_its_authors_alone(draw, home) -> None:
    foreign = await draw.blob(home, proven=False, author=home.caller.user_id ^ 1)
    assert (await draw.file(home, "a", upload=foreign)).code == "not-found"
    own = await draw.blob(home, proven=False)
    assert (await draw.file(home, "a", upload=own)).status == "created"
    proven = await draw.blob(home, author=home.caller.user_id ^ 1)
    assert (await draw.file(home, "b", upload=proven)).status == "created"


async def test_a_foreign_space_is_not_found(commits, home, draw) -> None:
    request = Commit(targets=[CommitTarget(kind="folder", parent=home.root, name="a")])
    with pytest.raises(NotFound):
        await commits.commit(home.stranger(), home.space, request)
    with pytest.raises(NotFound):
        await commits.commit(home.caller, ids.encode_key("s", 12345), request)


async def test_a_blob_of_another_space_is_not_found(draw, home, new_home) -> None:
    other = await new_home()
    upload = await draw.blob(other)
    assert (await draw.file(home, "a", upload=upload)).code == "not-found"


async def test_the_empty_file_has_the_sum_of_no_bytes(draw, files, home) -> None:
    target = CommitTarget(kind="file", parent=home.root, name="empty")
    (outcome,) = await draw.commit(home, target)
    sums = {
        (await files.node(home.caller, outcome.node)).sha256,
        (await files.versions(home.caller, outcome.node)).items[0].sha256,
    }
    assert sums == {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}


async def test_versions_beyond_the_count_go_with_their_bytes(
    draw, files, new_home, stores, clock
) -> None:
    home = await new_home(versions_kept=2)
    base, versions = None, []
    for size in (10, 20, 30, 40):
        outcome = await draw.file(home, "a", size=size, base=base)
        base = outcome.version
        versions.append(base)
        assert outcome.status == ("created" if size == 10 else "version")
    page = await files.versions(home.caller, outcome.node)
    assert [(item.id, item.current) for item in page.items] == [
        (versions[3], True),
        (versions[2], False),
    ]
    assert await used(stores, home) == 70
    space = await files.space(home.caller, home.space)
    assert (space.version_bytes, space.trash_bytes) == (30, 0)
    freed = await row(
        stores, home,
        "select count(*) as n, min(fresh_until) as until from blobs"
        " where space_id = %(space_id)s and not charged and state = 'live'",
    )  # fmt: skip
    assert freed.n == 2
    assert (freed.until - clock.now()).total_seconds() == 300


async def test_the_quota_is_never_passed_by_many_at_once(draw, new_home, stores) -> None:
    home = await new_home(quota=1000)
    uploads = [await draw.blob(home, 150) for _ in range(16)]
    outcomes = await asyncio.gather(
        *(draw.file(home, f"f{n}", upload=upload) for n, upload in enumerate(uploads))
    )
    statuses = sorted(outcome.status for outcome in outcomes)
    assert statuses == ["created"] * 6 + ["error"] * 10
    assert {o.code for o in outcomes if o.status == "error"} == {QuotaExceeded.code}
    assert await used(stores, home) == 900


async def test_one_of_many_wins_a_name(draw, home, stores, files) -> None:
    uploads = [await draw.blob(home) for _ in range(20)]
    outcomes = await asyncio.gather(*(draw.file(home, "same", upload=u) for u in uploads))
    winners = [o for o in outcomes if o.status == "created"]
    assert len(winners) == 1
    losers = [o for o in outcomes if o.status == "conflict"]
    assert len(losers) == 19
    assert {o.current.version for o in losers} == {winners[0].version}
    assert await used(stores, home) == 100
    assert (await files.space(home.caller, home.space)).seq == 1


async def test_a_key_answers_once(commits, draw, home, files) -> None:
    upload = await draw.blob(home)
    target = CommitTarget(kind="file", parent=home.root, name="a", upload=upload)
    request = Commit(targets=[target])
    first = await commits.commit(home.caller, home.space, request, "key-1")
    again = await commits.commit(home.caller, home.space, request, "key-1")
    assert again == first
    assert again.answer.items[0].status == "created"
    with pytest.raises(IdempotencyMismatch):
        other = Commit(targets=[CommitTarget(kind="folder", parent=home.root, name="b")])
        await commits.commit(home.caller, home.space, other, "key-1")
    assert (await files.space(home.caller, home.space)).seq == 1


async def test_a_thousand_targets(draw, home, files) -> None:
    upload = await draw.blob(home)
    targets = [
        CommitTarget(kind="file", parent=home.root, name=f"f{n:04}", upload=upload)
        for n in range(1000)
    ]
    outcomes = await draw.commit(home, *targets)
    assert {o.status for o in outcomes} == {"created"}
    page = await files.children(home.caller, home.root, limit=999)
    assert [item.name for item in page.items] == [t.name for t in targets[:999]]
    rest = await files.children(home.caller, home.root, page.next)
    assert ([item.name for item in rest.items], rest.next) == (["f0999"], None)


async def test_uploads_are_finished_before_their_commit(draw, changer, limits, home, files) -> None:
    """What can't be finished is its target's problem alone, and what is done isn't asked for."""
    done, first, second = await draw.blob(home), draw.ids.next(), draw.ids.next()
    asked: list[int] = []

    async def ensure(space_id: int, author: int, uploads) -> dict[int, Problem | None]:
        assert (space_id, author) == (home.space_id, home.caller.user_id)
        asked.extend(uploads)
        await draw.blob(home, blob_id=first)
        return {first: None, second: UploadState("The store doesn't have it.")}

    commits = Commits(changer=changer, limits=limits, ensure_uploaded=ensure)
    targets = [
        CommitTarget(kind="file", parent=home.root, name=name, upload=upload)
        for name, upload in (
            ("a", done),
            ("b", ids.encode("u", home.space_id, first)),
            ("c", ids.encode("u", home.space_id, second)),
        )
    ]
    written = await commits.commit(home.caller, home.space, Commit(targets=targets), "key")
    assert asked == [first, second]
    assert [item.code for item in written.answer.items] == [None, None, "upload-state"]
    assert written.seq == 2
    again = await commits.commit(home.caller, home.space, Commit(targets=targets), "key")
    assert again == written


async def test_the_same_name_twice_in_one_commit(draw, home) -> None:
    one, two = await draw.blob(home), await draw.blob(home)
    outcomes = await draw.commit(
        home,
        CommitTarget(kind="file", parent=home.root, name="a", upload=one),
        CommitTarget(kind="file", parent=home.root, name="a", upload=two),
    )
    assert [outcome.status for outcome in outcomes] == ["created", "conflict"]
    assert outcomes[1].current.version == outcomes[0].version


async def test_requests_that_share_a_transaction_keep_their_own_answers(
    draw, commits, home, stores
) -> None:
    """Some with a key, some sent twice, some that fail: each gets what it asked for."""
    uploads = [await draw.blob(home, 10) for _ in range(30)]

    def request(n: int) -> Commit:
        targets = [
            CommitTarget(kind="file", parent=home.root, name=f"f{n}", upload=uploads[n]),
            CommitTarget(kind="folder", parent=home.root, name="/" if n % 3 == 0 else f"d{n}"),
        ]
        return Commit(targets=targets)

    answers = await asyncio.gather(
        *(
            commits.commit(home.caller, home.space, request(n), f"k{n}" if n % 2 else None)
            for n in (*range(30), *range(1, 30, 2))
        )
    )
    for n, written in enumerate(answers[:30]):
        file, folder = written.answer.items
        assert file.status == "created"
        assert folder.code == ("invalid-name" if n % 3 == 0 else None)
    assert answers[30:] == [answers[n] for n in range(1, 30, 2)]
    assert len({written.answer.items[0].node for written in answers}) == 30
    assert await used(stores, home) == 300
