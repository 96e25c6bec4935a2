"""Headers and query strings: values or a refusal, whatever is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict

from appliance.domain.errors import BadRequest, Unauthorized
from appliance.gateway import headers
from appliance.gateway.bodies import read_query
from appliance.gateway.queries import ChangesQuery, ContentQuery, DeleteQuery, FindQuery, Page


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


def test_a_ticket_is_bound_to_an_address_or_a_cookie() -> None:
    assert read_query(MultiDict(), ContentQuery).bind is None
    assert read_query(MultiDict(bind="cookie"), ContentQuery).bind == "cookie"
    with pytest.raises(BadRequest, match="bind"):
        read_query(MultiDict(bind="session"), ContentQuery)


def test_the_address_is_the_one_that_nginx_saw() -> None:
    for address in ("192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"):
        given = CIMultiDict({"X-Forwarded-For": address})
        assert headers.client_address(given, "127.0.0.1") == address
    assert headers.client_address(CIMultiDict(), "127.0.0.1") == "127.0.0.1"
    twins = CIMultiDict([("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "192.0.2.8")])
    lists = CIMultiDict({"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})
    for wrong in (twins, lists, CIMultiDict({"X-Forwarded-For": "unix:"}), CIMultiDict()):
        with pytest.raises(BadRequest, match="address"):
            headers.client_address(wrong, None)


def test_the_bind_cookie_is_read_as_the_edge_reads_it() -> None:
    value = "0123456789abcdef"
    for cookies in (
        f"stowbay_bind={value}",
        f"a=b;stowbay_bind={value};c",
        f"a; Stowbay_Bind={value}",
    ):
        assert headers.bind_cookie(CIMultiDict({"Cookie": cookies})) == value
    two = CIMultiDict([("Cookie", "a=b"), ("Cookie", f"stowbay_bind={value}")])
    assert headers.bind_cookie(two) == value


@pytest.mark.parametrize(
    "cookies",
    [
        "", "stowbay_bind", "stowbay_bind=", "stowbay_bind=0123456789abcdef ;a=b",
        "other=0123456789abcdef", "stowbay_bind=guessable",
        'stowbay_bind="0123456789abcdef"', "stowbay_bind=0123456789abcdef\u00e9",
        "stowbay_bind=0123456789abcdef; STOWBAY_BIND=0123456789abcdefg",
    ],
)  # fmt: skip
def test_what_is_no_bind_cookie_is_refused_by_its_name(cookies: str) -> None:
    with pytest.raises(BadRequest, match="stowbay_bind"):
        headers.bind_cookie(CIMultiDict({"Cookie": cookies}))


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
