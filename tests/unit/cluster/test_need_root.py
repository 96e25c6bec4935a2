"""Without root the lab says what it needs, and fails before it has touched anything."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cluster.places import REPOSITORY

NOBODY = 65534
# Nobody may not be able to read this folder or Python's: all is loaded by then.
START = f"""
import os, sys
from tests.cluster import lab, smoke
from tests.cluster.places import Lab
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid({NOBODY})
"""
STARTS = {
    "up": "lab.up(Lab('unwanted'), 1)",
    "the command": "sys.argv = ['lab', 'up', 'unwanted']; sys.exit(lab.main())",
    "the flow": "sys.argv = ['smoke', '--name', 'unwanted']; sys.exit(smoke.main())",
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_nobody_is_told_so_and_leaves_nothing(start, tmp_path):
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", START + start],
        cwd=REPOSITORY, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "This boots Debian hosts with systemd-nspawn: run it as root.\n"
    assert list(tmp_path.iterdir()) == []
