"""docs/how-to/workers.md tells of every job there is, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.workers.service import JOBS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "workers.md"


def test_the_page_tells_of_every_job() -> None:
    told = re.findall(r"^\| ([a-z]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(["job", "option", *JOBS])
