"""The drills' judge must find what is lost, doubled, or made up, and allow what nobody knows."""

from __future__ import annotations

from tests.cluster.drills.ledger import Ledger, State


def _made(*names: str) -> Ledger:
    ledger = Ledger("folder")
    for name in names:
        ledger.sending(name, State(name, f"sha of {name}"))
        ledger.confirmed(name)
    return ledger


def test_what_was_acknowledged_is_there() -> None:
    ledger = _made("a", "b")
    assert ledger.compare({"a": "sha of a", "b": "sha of b"}) == []
    assert ledger.acknowledged == 2


def test_an_acknowledged_file_that_is_gone() -> None:
    (wrong,) = _made("a", "b").compare({"a": "sha of a"})
    assert wrong.what.startswith("b: acknowledged")


def test_other_content() -> None:
    (wrong,) = _made("a").compare({"a": "sha of something else"})
    assert "other content" in wrong.what


def test_a_file_that_nobody_made() -> None:
    (wrong,) = _made("a").compare({"a": "sha of a", "ghost": None})
    assert wrong.what == "ghost: nobody made it"


def test_an_unknown_rename_may_have_happened_or_not_but_not_both() -> None:
    ledger = _made("a")
    ledger.sending("a", State("b", "sha of a"))
    assert ledger.compare({"a": "sha of a"}) == []
    assert ledger.compare({"b": "sha of a"}) == []
    assert len(ledger.compare({"a": "sha of a", "b": "sha of a"})) == 1
    assert len(ledger.compare({})) == 1


def test_an_acknowledged_rename_leaves_no_old_name() -> None:
    ledger = _made("a")
    ledger.sending("a", State("b", "sha of a"))
    ledger.confirmed("a")
    assert len(ledger.compare({"a": "sha of a"})) == 2  # b is gone, and a is nobody's


def test_a_trashed_file_must_be_gone_once_acknowledged() -> None:
    ledger = _made("a")
    ledger.sending("a", State(None))
    assert ledger.compare({}) == []
    assert ledger.compare({"a": "sha of a"}) == []
    ledger.confirmed("a")
    assert ledger.compare({}) == []
    assert len(ledger.compare({"a": "sha of a"})) == 1


def test_a_refused_operation_did_not_happen() -> None:
    ledger = _made("a")
    ledger.sending("a", State(None))
    ledger.refused("a")
    assert len(ledger.compare({})) == 1


def test_an_unknown_creation_may_be_there() -> None:
    ledger = Ledger("folder")
    ledger.sending("a", State("a"))
    assert ledger.compare({}) == []
    assert ledger.compare({"a": None}) == []
    assert list(ledger.known()) == []
