"""Page marks come back as they went out, and nothing else is one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InvalidCursor
from appliance.services import page_marks
from appliance.services.finding import _Mark


@given(
    st.integers(0, 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_a_mark_comes_back(number: int, name: str) -> None:
    mark = page_marks.write((number, name))
    assert mark.isascii()
    assert page_marks.read(mark, tuple[int, str]) == (number, name)


@given(st.text())
def test_any_text_is_a_mark_or_refused(text: str) -> None:
    try:
        found = page_marks.read(text, tuple[int, str])
    except InvalidCursor:
        return
    assert isinstance(found[0], int)
    assert isinstance(found[1], str)


def test_a_mark_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        page_marks.read(page_marks.write("name"), int)


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a\0b", str),
        ((1, "\0"), tuple[int, str]),
        ((1 << 63, "a"), tuple[int, str]),
        (-1, int),
        (1 << 63, int),
        (datetime(2026, 1, 1), datetime),  # without a zone
    ],
)
def test_what_the_database_cannot_hold_is_no_mark(key: object, kind: type) -> None:
    with pytest.raises(InvalidCursor):
        page_marks.read(page_marks.write(key), kind)


def test_marks_of_times_and_of_several_kinds_come_back() -> None:
    trashed = (datetime(2026, 1, 1, tzinfo=UTC), 7)
    assert page_marks.read(page_marks.write(trashed), tuple[datetime, int]) == trashed
    found = _Mark(True, "abc", 0, (1 << 63) - 1)
    assert page_marks.read(page_marks.write(found), _Mark) == found
