"""Pure decisions of the engines: where things go, what is sent, how many at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.client.backoff import Endurance, Patience
from appliance.client.transfer.download import ranges
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.pace import Pace
from appliance.client.transfer.plan import FileJob, make
from appliance.client.transfer.small import batches
from appliance.client.transfer.target import Destination, Existing, place
from appliance.client.transfer.walk import Entry
from appliance.wire.nodes import Chunk, Node

MIB = 1 << 20


def entry(
    path: str, kind: Any = "file", size: int = 3, mtime_ns: int = 7, target: Any = None
) -> Entry:
    return Entry(f"/local{path}", path, kind, size, mtime_ns, 0o644, target)


def node(kind: Any = "file", size: int = 3, mtime_ns: int = 7, **more: Any) -> Node:
    fields: dict[str, Any] = {
        "id": "n1", "parent": "n0", "name": "x", "kind": kind, "version": "v1", "size": size,
        "sha256": "00", "mtime_ns": mtime_ns, "mode": 0o644, "target": None, "rev": 1,
        "flags": [], "trashed": False, "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Node(**(fields | more))


class TestPlace:
    """The rules of cp, which must lead to the same place when the command is said again."""

    def test_a_new_name_becomes_the_source(self) -> None:
        assert place("tree", Existing(1, {"a"}), None, into=False) == Destination(None)
        assert place("file", None, None, into=False) == Destination(None)

    def test_an_existing_folder_takes_it_in(self) -> None:
        other = Existing(2, {"else", "more"})
        assert place("tree", Existing(1, {"a"}), other, into=False) == Destination("tree")
        assert place("file", None, other, into=False) == Destination("file")

    def test_an_empty_folder_takes_it_in(self) -> None:
        found = place("tree", Existing(1, {"a"}), Existing(2, ()), into=False)
        assert found == Destination("tree")

    @pytest.mark.parametrize(
        "made",
        [
            Existing(1, ()),
            Existing(1, {"a"}),
            Existing(9, {"a", "b"}),
            Existing(9, {"a", "b", "x"}),
        ],
    )
    def test_what_an_earlier_run_made_is_continued(self, made: Existing) -> None:
        found = place("tree", Existing(1, {"a", "b", "c"}), made, into=False)
        assert found == Destination(None, continued=True)

    def test_a_folder_of_its_own_name_inside_wins_over_likeness(self) -> None:
        made = Existing(1, {"a", "b", "tree"})
        assert place("tree", Existing(1, {"a", "b"}), made, into=False) == Destination("tree")

    def test_a_trailing_slash_always_means_into(self) -> None:
        same = Existing(1, {"a"})
        assert place("tree", same, same, into=True) == Destination("tree")
        assert place("tree", same, None, into=True) == Destination("tree")

    def test_a_source_without_a_name_gives_its_content(self) -> None:
        assert place(None, Existing(1, {"a"}), Existing(2, {"b"}), into=True) == Destination(None)


class TestPlan:
    def test_same_size_and_mtime_is_left_alone(self) -> None:
        plan = make([entry("/a")], {"/a": node()})
        assert [same.path for same, _ in plan.same] == ["/a"]
        assert not plan.files

    @pytest.mark.parametrize("there", [node(size=4), node(mtime_ns=8), node(status="quarantined")])
    def test_a_difference_sends_it_based_on_the_version_seen(self, there: Node) -> None:
        [job] = make([entry("/a")], {"/a": there}).files
        assert job.base == "v1"

    def test_what_is_not_there_has_no_base(self) -> None:
        plan = make([entry("/d", "folder"), entry("/d/a"), entry("/l", "link", target="x")], {})
        assert [e.path for e in plan.folders] == ["/d"]
        assert [(j.entry.path, j.base) for j in plan.files] == [("/d/a", None)]
        assert [e.path for e in plan.links] == ["/l"]

    def test_with_checksum_the_content_decides(self) -> None:
        there = {"/a": node(mtime_ns=99), "/b": node(mtime_ns=7)}
        plan = make([entry("/a"), entry("/b")], there, lambda e: "00" if e.path == "/a" else "11")
        assert [same.path for same, _ in plan.same] == ["/a"]
        assert [job.entry.path for job in plan.files] == ["/b"]

    def test_another_kind_is_in_the_way_with_all_below(self) -> None:
        plan = make([entry("/d", "folder"), entry("/d/a"), entry("/da")], {"/d": node("file")})
        assert [problem.code for _, problem in plan.failed] == ["in-the-way", "in-the-way"]
        assert [job.entry.path for job in plan.files] == ["/da"]

    def test_a_link_elsewhere_is_not_replaced(self) -> None:
        there = {"/l": node("link", target="old")}
        plan = make([entry("/l", "link", target="new")], there)
        assert [problem.code for _, problem in plan.failed] == ["in-the-way"]
        assert not make([entry("/l", "link", target="old")], there).failed


class TestExcludes:
    @pytest.mark.parametrize(
        ("pattern", "path", "is_folder", "excluded"),
        [
            ("*.o", "a.o", False, True),
            ("*.o", "deep/down/a.o", False, True),
            ("*.o", "a.out", False, False),
            ("build/", "src/build", True, True),
            ("build/", "src/build", False, False),
            ("/build", "build", True, True),
            ("/build", "src/build", True, False),
            ("src/*.c", "src/a.c", False, True),
            ("src/*.c", "src/deep/a.c", False, False),
            ("src/**/*.c", "src/deep/a.c", False, True),
            ("src/**/*.c", "src/a.c", False, True),
            ("**/cache", "a/b/cache", True, True),
            ("[!a]?", "bx", False, True),
            ("[!a]?", "ax", False, False),
            ("a.b", "axb", False, False),
            ("[", "[", False, True),
        ],
    )  # fmt: skip
    def test_patterns(self, pattern: str, path: str, is_folder: bool, excluded: bool) -> None:
        assert Excludes.parse([pattern]).match(path, is_folder) is excluded

    @given(st.text(max_size=20), st.text(max_size=20))
    def test_no_pattern_is_too_odd(self, pattern: str, path: str) -> None:
        Excludes.parse([pattern]).match(path, False)


class TestPace:
    def test_it_grows_while_it_gains(self) -> None:
        pace, rate = Pace(), 100.0
        for _ in range(20):
            pace = pace.observe(rate, True)
            rate *= 1.5
        assert pace.width == pace.highest

    def test_a_step_without_gain_is_taken_back_and_rests(self) -> None:
        pace = Pace().observe(100, True)
        assert pace.width == 8
        pace = pace.observe(101, True)
        assert pace.width == 4
        assert pace.observe(100, True).width == 4

    def test_it_tries_again_later(self) -> None:
        pace = Pace().observe(100, True).observe(100, True)
        widths = {(pace := pace.observe(100, True)).width for _ in range(12)}
        assert widths == {4, 6}

    def test_an_idle_interval_says_nothing(self) -> None:
        pace = Pace()
        assert pace.observe(5, False) is pace
        assert pace.observe(0, True) is pace

    @given(st.lists(st.tuples(st.floats(0, 1e9), st.booleans()), max_size=60))
    def test_it_stays_within_its_bounds(self, seen: list[tuple[float, bool]]) -> None:
        pace = Pace()
        for rate, saturated in seen:
            pace = pace.observe(rate, saturated)
            assert pace.lowest <= pace.width <= pace.highest


class TestPatience:
    def test_the_waits_end(self) -> None:
        patience, waited, attempt = Patience(total=60), 0.0, 1
        while (delay := patience.wait(attempt, waited, None, lambda: 0.9)) is not None:
            assert 0 < delay <= patience.longest
            waited, attempt = waited + delay, attempt + 1
        assert waited == pytest.approx(60)

    def test_retry_after_is_a_lower_bound(self) -> None:
        delay = Patience().wait(1, 0, 7.0, lambda: 0.5)
        assert delay is not None
        assert delay >= 7

    def test_once_it_ran_out_nobody_else_waits_until_a_success(self) -> None:
        lasting = Endurance(Patience(total=1), lambda: 0.5)
        assert lasting.wait(1, 0.0, None)
        assert lasting.wait(2, 1.0, None) is None
        assert lasting.wait(1, 0.0, None) is None
        lasting.succeeded()
        assert lasting.wait(1, 0.0, None)


@given(st.lists(st.integers(1, 20 * MIB), min_size=1, max_size=40), st.data())
def test_ranges_cover_exactly_what_is_missing(lengths: list[int], data: st.DataObject) -> None:
    chunks, offset = [], 0
    for index, length in enumerate(lengths):
        chunks.append(Chunk(index=index, offset=offset, length=length, sha256="", status=""))
        offset += length
    done = data.draw(st.sets(st.integers(0, len(lengths) - 1)))
    runs = ranges(chunks, done)
    assert [c.index for run in runs for c in run] == [
        i for i in range(len(lengths)) if i not in done
    ]
    for run in runs:
        assert [c.index for c in run] == list(range(run[0].index, run[0].index + len(run)))
        assert sum(c.length for c in run[:-1]) < 8 * MIB


@given(st.lists(st.integers(0, 5 * MIB - 1), max_size=60))
def test_batches_keep_order_and_bounds(sizes: list[int]) -> None:
    jobs = [FileJob(entry(f"/{n}", size=size), None, "") for n, size in enumerate(sizes)]
    found = list(batches(jobs))
    assert [job for batch in found for job in batch] == jobs
    for batch in found:
        assert 0 < len(batch) <= 500
        assert len(batch) == 1 or sum(job.entry.size for job in batch) <= 24 * MIB
