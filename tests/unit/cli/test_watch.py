"""The account of a run: the same figures for people, for scripts and as the exit code."""

from __future__ import annotations

import gc
import json

import pytest

from appliance.cli import exits
from appliance.cli.progress import Watch
from appliance.client.errors import DiskFull
from appliance.client.transfer.outcome import Outcome

RUN = [
    Outcome("/d", "/d", "folder", "created"),
    Outcome("/d/a", "/d/a", "file", "created", size=5, how="new", sent=5, chunks=1),
    Outcome("/d/b", "/d/b", "file", "version", size=7, how="known", sent=0, chunks=1),
    Outcome("/d/c", "/d/c", "file", "unchanged", size=9, how="same size and mtime"),
    Outcome("/d/l", "/d/l", "link", "unchanged"),
    Outcome("/d/f", "/d/f", "file", "failed", problem=DiskFull("/d/f: no room.")),
]


def _watched(watch: Watch, run: list[Outcome]) -> int:
    for outcome in run:
        watch.finished(outcome)
    return watch.conclude()


def test_the_account_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _watched(Watch("put"), RUN) == exits.PARTIAL
    told = capsys.readouterr()
    assert told.out.startswith("2 files sent (5 B in 0.0 s), 1 unchanged, 1 failed")
    assert told.err == "failed: /d/f: no room. [disk-full]\n"


def test_the_account_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert _watched(Watch("get", json=True), RUN) == exits.PARTIAL
    document = json.loads(capsys.readouterr().out)
    assert [entry["path"] for entry in document["files"]] == [one.path for one in RUN[:-1]]
    assert [entry["code"] for entry in document["failed"]] == ["disk-full"]
    assert document["sent_bytes"] == 5


def test_nothing_done_for_one_reason_is_that_reason_s_code() -> None:
    assert _watched(Watch("get", quiet=True), RUN[-1:] * 2) == exits.LOCAL


def test_outcomes_are_not_kept_but_for_json() -> None:
    """100,000 of them are tens of megabytes, needed by nobody."""

    def kept(watch: Watch) -> int:
        for number in range(100):
            watch.finished(Outcome(f"/{number}", "/a name of this test", "file", "fetched"))
        gc.collect()
        return sum(
            isinstance(one, Outcome) and one.path == "/a name of this test"
            for one in gc.get_objects()
        )

    assert kept(Watch("get")) <= 1
    assert kept(Watch("get", json=True)) == 100
