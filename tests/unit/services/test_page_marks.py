"""Page marks come back as they went out, and nothing else is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.errors import InvalidCursor
from appliance.services import page_marks


@given(st.integers(0, 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
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
