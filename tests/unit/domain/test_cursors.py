from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.domain import cursors
from appliance.domain.cursors import Cursor, Verdict
from appliance.domain.errors import InvalidCursor
from appliance.domain.ids import MAX_ID

numbers = st.one_of(st.sampled_from([1, 2, MAX_ID - 1, MAX_ID]), st.integers(1, MAX_ID))
any_cursor = st.builds(Cursor, numbers, numbers, numbers)


@given(any_cursor)
@example(cursors.start(MAX_ID))
def test_a_cursor_comes_back(cursor: Cursor) -> None:
    assert cursors.decode(cursors.encode(cursor)) == cursor


@given(st.text(max_size=50))
@example("")
@example("A" * 34)
@example(cursors.encode(Cursor(1, 1, 1)) + "=")
@example(cursors.encode(Cursor(1, 1, 1)) + "\n")
@example("Ag" + cursors.encode(Cursor(1, 1, 1))[2:])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.decode(text)


@given(any_cursor, numbers)
def test_the_mark_tells_histories_apart(cursor: Cursor, mark: int) -> None:
    expected = Verdict.OK if mark == cursor.mark else Verdict.FORK
    assert cursors.verdict(cursor, mark) is expected
    assert cursors.verdict(cursor, cursor.mark) is Verdict.OK
    assert cursors.verdict(cursor, None) is Verdict.AHEAD


def test_the_start_is_always_right() -> None:
    assert cursors.verdict(cursors.start(5), None) is Verdict.OK
    assert cursors.verdict(cursors.start(5), 7) is Verdict.OK
