"""Without root the proofs and the bundle say what they need, and fail, touching nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.places import REPOSITORY

NOBODY = 65534
# Nobody may not be able to read this folder or Python's: all is loaded by then.
START = f"""
import importlib, os, sys
module = importlib.import_module(sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
del sys.argv[1]
sys.exit(module.main())
"""
SAID = {
    "tests.compose.__main__": (
        "test-compose starts a Docker daemon in namespaces of its own and makes its base image"
        " with debootstrap: it needs root on a Debian machine.\n"
    ),
    "tests.cluster.airgap.__main__": (
        "This boots a Debian host with systemd-nspawn: run it as root.\n"
    ),
    "bundle.__main__ make": (
        "Debian's packages are resolved by apt in a Debian 13 of their own: this needs root.\n"
    ),
}


@pytest.mark.parametrize(("command", "said"), SAID.items(), ids=SAID)
def test_nobody_is_told_so_and_leaves_nothing(command: str, said: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    folders = f"{REPOSITORY}:{REPOSITORY / 'ansible'}"
    done = subprocess.run(
        [sys.executable, "-c", START, *command.split()],
        cwd=REPOSITORY,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": folders},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert list(tmp_path.iterdir()) == []
