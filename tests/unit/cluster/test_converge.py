"""Commands on a lab's controller; here they run on this machine, without a lab around them."""

from __future__ import annotations

import sys

import pytest

from tests.cluster import converge
from tests.cluster.places import Lab


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setattr(converge, "enter", lambda lab, command, folder=None: command)
    log = tmp_path / "1-step.log"

    def run(*command, **more):
        converge.call(Lab("none"), log, *command, **more)
        return log.read_text()

    return run


def test_output_goes_to_the_log(call):
    assert call("sh", "-c", "echo one; echo two >&2") == "one\ntwo\n"


def test_an_error_shows_the_end_of_the_log(call):
    with pytest.raises(converge.Failure, match=r"exit status 3:\nso far\n"):
        call("sh", "-c", "echo so far; exit 3")


def test_a_command_without_an_end_is_a_failure_like_any_other(call):
    with pytest.raises(converge.Failure, match=r"not done after 1 s:\nso far\n"):
        call("sh", "-c", "echo so far; exec sleep 60", timeout=1)


def test_what_is_typed_is_read_at_a_terminal(call):
    ask = "import sys; print(sys.stdin.isatty(), repr(input('Name: ')))"
    assert call(sys.executable, "-c", ask, typed="demo\n") == "Name: True 'demo'\n"


def test_else_there_is_no_input(call):
    assert call(sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))") == "''\n"
