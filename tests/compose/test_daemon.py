"""The daemon of the proof is gone with whoever started it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.compose.daemon import leftovers

HOLD = """
import time
from tests.compose.daemon import daemon
with daemon() as ours:
    print(ours.host, flush=True)
    time.sleep(600)
"""


def test_an_interrupted_one_leaves_nothing() -> None:
    process = _running()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert leftovers() == []


def test_a_killed_one_leaves_no_process_mount_or_interface() -> None:
    process = _running()
    process.kill()
    process.wait()
    for _ in range(100):
        left = [
            each for each in leftovers() if each.split()[0] in ("process", "mount", "interface")
        ]
        if not left:
            break
        time.sleep(0.1)
    assert left == []
    # What it couldn't take away itself the next one does, though it is interrupted twice.
    _running().send_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _end() -> Iterator[None]:
    yield
    for process in _STARTED:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    _STARTED.clear()
    assert leftovers() == []


_STARTED: list[subprocess.Popen[str]] = []


def _running() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    _STARTED.append(process)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("unix://")
    return process
