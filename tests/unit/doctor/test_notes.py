"""A check that breaks or hangs is a line, never silence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from appliance.doctor.codes import Level
from appliance.doctor.notes import Notes
from appliance.doctor.report import Check, Line, Report, Unexaminable, Unexamined, line, worst
from appliance.domain.errors import StoreUnavailable


async def _lines(work: object, seconds: float = 5.0) -> Notes:
    notes = Notes(seconds)
    await notes.run(Check.STORE, work)  # type: ignore[arg-type]
    return notes


async def test_what_breaks_is_told() -> None:
    async def breaks() -> Sequence[Line]:
        raise KeyError("secret")

    async def refused() -> Sequence[Line]:
        raise StoreUnavailable("not now")

    (told,) = (await _lines(breaks)).lines
    assert (told.level, told.code, told.subject) == (Level.WARN, "doctor.failed", "store")
    assert "KeyError in test_notes.py" in told.seen
    assert "secret" not in told.seen
    (told,) = (await _lines(refused)).lines
    assert told.seen == "not now (store-unavailable)"


async def test_what_hangs_is_told(monkeypatch: object) -> None:
    async def hangs() -> Sequence[Line]:
        await asyncio.sleep(3600)
        return []

    notes = Notes(1.0)
    notes._limit = 0.05
    await notes.run(Check.STORE, hangs)
    assert [each.code for each in notes.lines] == ["doctor.timed-out"]


async def test_a_time_limit_of_the_checks_own_is_a_failure_of_it() -> None:
    async def gives_up() -> Sequence[Line]:
        raise TimeoutError

    assert [each.code for each in (await _lines(gives_up)).lines] == ["doctor.failed"]


async def test_what_cannot_be_looked_at_says_why() -> None:
    async def blind() -> Sequence[Line]:
        raise Unexaminable("no eyes")

    notes = await _lines(blind)
    assert notes.lines == []
    assert notes.unexamined == [Unexamined("store", "no eyes")]


def test_the_worst_line_decides() -> None:
    ok, warn = line("store.ok", "x", ""), line("cache.persists", "x", "")
    fail = line("store.unreachable", "x", "")
    assert worst([]) is worst([ok]) is Level.OK
    assert worst([ok, warn]) is Level.WARN
    assert worst([warn, fail, ok]) is Level.FAIL


def test_a_report_goes_into_json_and_back() -> None:
    text = b"""{"whence": "host", "version": "1", "at": "2026-11-01T00:00:00Z", "seconds": 1.5,
        "worst": "WARN", "unexamined": [{"check": "backup", "why": "none"}], "lines":
        [{"level": "WARN", "code": "cache.persists", "subject": "redis", "seen": "save",
          "todo": "do", "runbook": ""}]}"""
    report = msgspec.json.decode(text, type=Report)
    assert report.exit_code == 3
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
