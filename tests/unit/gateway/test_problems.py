"""Each code has a status; nothing inside leaks out."""

from __future__ import annotations

import json

import pytest

from appliance.domain import errors
from appliance.gateway import problems


def test_every_code_has_a_status_and_no_status_is_without_a_code() -> None:
    assert set(problems.STATUS) == set(errors.ALL)


@pytest.mark.parametrize("code", sorted(errors.ALL))
def test_an_answer_says_what_happened(code: str) -> None:
    found = errors.ALL[code]("the reason", extra={"current": {"rev": 3}})
    response = problems.answer(found, "id-of-request")
    body = json.loads(response.body)
    assert response.status == body["status"] == problems.STATUS[code]
    assert body["code"] == code
    assert body["request_id"] == "id-of-request"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert ("Retry-After" in response.headers) == (response.status in (429, 503))
    if code == "internal":
        assert body["detail"] == "" and "current" not in body
    else:
        assert body["detail"] == "the reason" and body["current"] == {"rev": 3}


def test_a_wait_is_rounded_up() -> None:
    response = problems.answer(errors.TooManyAttempts("", retry_after=1.2), "x")
    assert response.headers["Retry-After"] == "2"


def test_an_unauthorized_answer_names_the_scheme() -> None:
    response = problems.answer(errors.Unauthorized(), "x")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_extra_never_hides_the_standard_members() -> None:
    response = problems.answer(errors.Conflict("d", extra={"status": 200, "code": "fine"}), "x")
    body = json.loads(response.body)
    assert (body["status"], body["code"]) == (409, "conflict")


def test_a_problem_of_another_room_is_internal() -> None:
    class Odd(errors.Problem):
        code = "of-no-table"

    assert problems.answer(Odd("secret"), "x").status == 500
    assert b"secret" not in problems.answer(Odd("secret"), "x").body
