"""The end of the range of names that begin with a text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.services.finding import successor

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@given(TEXT, TEXT)
def test_the_range_holds_what_begins_so_and_nothing_else(text: str, other: str) -> None:
    end = successor(text).encode()
    assert text.encode() <= (text + other).encode() < end
    assert (text.encode() <= other.encode() < end) == other.startswith(text)
