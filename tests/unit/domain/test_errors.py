from __future__ import annotations

import inspect
import json
import re

import pytest

from appliance.domain import errors
from appliance.domain.errors import ALL, Conflict, NotFound, Problem

CLASSES = [
    kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Problem)
]


def test_every_class_has_a_code_and_a_title_of_its_own() -> None:
    assert len({kind.code for kind in CLASSES}) == len(CLASSES) == len(ALL)
    assert len({kind.title for kind in CLASSES}) == len(CLASSES)
    assert all(ALL[kind.code] is kind for kind in CLASSES)
    assert sorted(errors.__all__) == sorted(["ALL", *(kind.__name__ for kind in CLASSES)])


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ├└─]*)([A-Z]\w+) +([a-z-]+)", line):
            drawn[found[2]] = (found[3], len(found[1]) // 4)
    depth = {
        kind.__name__: (kind.code, len(kind.__mro__) - len(Problem.__mro__)) for kind in CLASSES
    }
    assert drawn == depth


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.code)
def test_a_problem_carries_what_the_answer_needs(kind: type[Problem]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)
    bare = kind()
    assert (str(bare), bare.extra, bare.retry_after) == (kind.title, {}, None)
    full = kind("a.txt has changed", extra={"current": {"rev": 4}}, retry_after=1.5)
    assert str(full) == full.detail == "a.txt has changed"
    assert json.loads(json.dumps(full.extra)) == {"current": {"rev": 4}}
    assert full.retry_after == 1.5


def test_extra_is_the_problem_s_own() -> None:
    given = {"current": 1}
    problem = Conflict(extra=given)
    given["current"] = 2
    assert problem.extra == {"current": 1}
    assert NotFound().extra is not NotFound().extra
