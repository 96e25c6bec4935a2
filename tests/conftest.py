"""Which tests share a process when several run beside each other (`make test` starts two).

Each folder's services, and each whole product of tests/integration, are started once: their tests
stay in one process. The long ones come first, so that none is left over at the end.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


# Before pytest-xdist, which looks for the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: not _group(item).startswith("integration"))


def _group(item: pytest.Item) -> str:
    """The room, with the store for whole products; unit tests start nothing and go by file."""
    place = item.path.relative_to(HERE)
    room = place.parts[0]
    if room == "integration":
        callspec = getattr(item, "callspec", None)
        store = callspec.params.get("instance") if callspec else None
        return f"integration-{store}" if store else f"integration-{place.stem}"
    return str(place) if room == "unit" else room
