"""The reference page is the table of codes, and every runbook is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.doctor.codes import CODES, Code, Level
from appliance.doctor.report import EXIT_CODES, Check

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "doctor.md").read_text("utf-8")


def test_the_page_has_every_code_as_it_is() -> None:
    rows = re.findall(
        r"^\| `([a-z.-]+)` \| (OK|WARN|FAIL) \| (.*?) \| (.*?) ?\|$", PAGE, re.MULTILINE
    )
    found = {code: (level, meaning, todo) for code, level, meaning, todo in rows}
    assert found == {code: (each.level, each.meaning, _todo(each)) for code, each in CODES.items()}
    assert [code for code, *_ in rows] == list(CODES)


def _todo(each: Code) -> str:
    if not each.runbook:
        return each.todo
    page, _, section = each.runbook.removeprefix("docs/how-to/").partition("#")
    name = section.replace("-", " ") or Path(page).stem
    return f"{each.todo} [{name}](../how-to/{page}{section and '#' + section})"


@pytest.mark.parametrize("code", CODES)
def test_a_code_says_what_to_do_when_something_is_wrong(code: str) -> None:
    found = CODES[code]
    check, _, finding = code.partition(".")
    assert check in {*Check, "doctor"}
    assert bool(found.todo) == (found.level is not Level.OK)
    assert (finding == "ok") <= (found.level is Level.OK)
    assert bool(found.runbook) == (found.level is not Level.OK)
    if found.runbook:
        page, _, section = found.runbook.partition("#")
        titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert not section or section in [title.lower().replace(" ", "-") for title in titles]


def test_every_check_can_be_well() -> None:
    assert {check for check in Check if f"{check}.ok" not in CODES} == set()


def test_the_exit_codes_are_documented() -> None:
    admin = (ROOT / "docs" / "reference" / "admin.md").read_text("utf-8")
    for code in EXIT_CODES.values():
        assert re.search(rf"^\| {code} \|", admin, re.MULTILINE)
