"""Headers and query strings: values or a refusal, whatever is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from appliance.domain.errors import BadRequest, Unauthorized
from appliance.gateway import headers
from appliance.gateway.bodies import read_query
from appliance.gateway.queries import ChangesQuery, DeleteQuery, FindQuery, Page


def test_a_page_has_defaults() -> None:
    assert read_query(MultiDict(), Page) == Page(after=None, limit=100)


def test_numbers_and_truths_are_read_from_text() -> None:
    assert read_query(MultiDict(limit="7", after="x"), Page) == Page(after="x", limit=7)
    assert read_query(MultiDict(permanent="true", rev="0"), DeleteQuery).permanent is True
    assert read_query(MultiDict(wait="60"), ChangesQuery).wait == 60


def test_unknown_parameters_are_ignored() -> None:
    assert read_query(MultiDict(limit="7", utm="z"), Page).limit == 7


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"limit": "x"}, {"limit": ""}, {"limit": "1.5"},
        {"after": "x" * 3000}, {"after": "\0"}, {"after": "\udcff"},
    ],
)  # fmt: skip
def test_a_bad_page_names_the_field(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        read_query(MultiDict(query), Page)
    assert next(iter(query)) in refused.value.detail


def test_null_is_no_value_and_twins_are_refused() -> None:
    for query in (MultiDict(rev="null"), MultiDict([("rev", "1"), ("rev", "2")])):
        with pytest.raises(BadRequest, match="rev"):
            read_query(query, DeleteQuery)


def test_what_is_required_is_required() -> None:
    with pytest.raises(BadRequest, match="q"):
        read_query(MultiDict(), FindQuery)
    with pytest.raises(BadRequest):
        read_query(MultiDict(wait="nan"), ChangesQuery)
    with pytest.raises(BadRequest):
        read_query(MultiDict(rev=str(2**63)), DeleteQuery)


@given(st.dictionaries(st.sampled_from(["after", "limit", "q"]), st.text()))
def test_any_text_is_a_value_or_a_refusal(query: dict[str, str]) -> None:
    try:
        found = read_query(MultiDict(query), FindQuery)
    except BadRequest:
        return
    assert 1 <= found.limit <= 1000 and 1 <= len(found.q) <= 255


def test_a_bearer_token() -> None:
    assert headers.bearer({"Authorization": "Bearer sbt_x"}) == "sbt_x"
    assert headers.bearer({"Authorization": "bearer  sbt_x "}) == "sbt_x"
    for bad in ({}, {"Authorization": "sbt_x"}, {"Authorization": "Basic eDp5"}):
        with pytest.raises(Unauthorized):
            headers.bearer(bad)


def test_a_seq_is_a_whole_number() -> None:
    assert headers.min_seq({}) is None
    assert headers.min_seq({"Stowbay-Seq": str(2**63 - 1)}) == 2**63 - 1
    for bad in ("", "-1", "1.0", "1 ", str(2**63), "9" * 30, "\u0661"):
        with pytest.raises(BadRequest):
            headers.min_seq({"Stowbay-Seq": bad})


def test_an_idempotency_key_is_visible_ascii() -> None:
    assert headers.idempotency_key({}) is None
    assert headers.idempotency_key({"Idempotency-Key": "!~" * 100}) == "!~" * 100
    for bad in ("", "a b", "x" * 201, "\u00e9", "a\tb"):
        with pytest.raises(BadRequest):
            headers.idempotency_key({"Idempotency-Key": bad})


@given(st.text())
def test_a_request_id_can_not_break_a_log_line(given_id: str) -> None:
    found = headers.request_id({"X-Request-Id": given_id})
    assert found is None or (found.isascii() and 8 <= len(found) <= 64 and "\n" not in found)
