"""`make test-compose`: a Docker daemon of its own, base image, images, the trial, its tests.

Whatever happens, nothing of it runs, is mounted or configured in the end; images stay cached.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.base_image import lock
from tests.cluster.places import REPOSITORY
from tests.compose.base_tar import base_tar
from tests.compose.daemon import Daemon, daemon, leftovers

HERE = Path(__file__).parent
BASE = "debian:trixie-slim"
PYTEST = [sys.executable, "-m", "pytest", "-c", str(HERE / "pytest.ini"), f"--rootdir={HERE}"]


def main() -> int:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.stderr.write(
            "test-compose starts a Docker daemon in namespaces of its own and makes its base image"
            " with debootstrap: it needs root on a Debian machine.\n"
        )
        return 1
    # A background job of a shell ignores SIGINT, and SIGTERM would skip the clean-up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    started = time.monotonic()
    with lock("compose"):
        codes = [subprocess.call([*PYTEST, str(HERE / "test_daemon.py")], env=_environ({}))]
        tar = base_tar()
        with daemon() as ours:
            codes.append(_with(ours, tar))
        left = leftovers()
    for each in left:
        sys.stderr.write(f"left over: {each}\n")
    failed = any(codes) or bool(left)
    print(f"{'FAILED' if failed else 'passed'} in {time.monotonic() - started:.0f} s")
    return int(failed)


def _with(ours: Daemon, tar: Path) -> int:
    docker = ["docker", "--host", ours.host]
    _clear(docker)
    known = subprocess.run([*docker, "image", "inspect", BASE], capture_output=True)
    if known.returncode != 0:
        subprocess.run([*docker, "import", str(tar), BASE], check=True)
    with tempfile.TemporaryDirectory(prefix="stowbay-trial-", dir="/var/tmp") as place:
        environ = _environ({"DOCKER_HOST": ours.host, "TRIAL_STATE": f"{place}/state"})
        command = ours.command(*PYTEST, "-x", str(HERE / "test_trial.py"))
        process = subprocess.Popen(command, env=environ)
        try:
            return process.wait()
        except BaseException:
            # It takes the trial down by itself; a signal of the terminal has reached it already.
            process.send_signal(signal.SIGINT)
            process.wait(180)
            raise
        finally:
            _clear(docker)


def _clear(docker: list[str]) -> None:
    """What an earlier run that was killed has left in the daemon's store, volumes included."""
    listed = subprocess.run([*docker, "ps", "--all", "--quiet"], capture_output=True, text=True)
    if found := listed.stdout.split():
        subprocess.run([*docker, "rm", "--force", "--volumes", *found], capture_output=True)
    for kind in ("volume", "network"):
        named = [*docker, kind, "ls", "--quiet", "--filter", "name=stowbay-trial"]
        found = subprocess.run(named, capture_output=True, text=True).stdout.split()
        if found:
            subprocess.run([*docker, kind, "rm", *found], capture_output=True)


def _environ(more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), **more}


def _stop(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
