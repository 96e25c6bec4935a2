"""From bare Debian to a file that came back: `make test-cluster-smoke`, `make test-cluster`.

Boots a lab, converges it (again, and as a dry run), runs the tests of hosts, renews every
certificate, and a client's round trip; with drills it is broken and uninstalled, too. Whatever
happens, the lab is gone in the end; what was said stays in var/cluster/NAME. With --choices one
host is converged with what may be chosen instead of the defaults.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.cluster.choices import TESTS, choose, public_authority, trust_publicly
from tests.cluster.converge import Failure, beside, call, converge
from tests.cluster.lab import down, need_root, up
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.renewal import renewal
from tests.cluster.round_trip import real_tree, round_trip
from tests.cluster.uninstalling import uninstalling

__all__ = ["main"]

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.smoke", description=__doc__)
    parser.add_argument("--hosts", type=int, choices=(1, 3), default=1)
    parser.add_argument("--drills", action="store_true", help="break it, too")
    parser.add_argument(
        "--choices", action="store_true", help="one host with SeaweedFS and brought certificates"
    )
    parser.add_argument("--name", help="the lab's; a second run beside another needs its own")
    parser.add_argument("--keep", action="store_true", help="leave the lab of a failed run")
    given = parser.parse_args()
    need_root()
    # A background job of a shell ignores SIGINT, and SIGTERM would skip the clean-up.
    for number in _STOPPING:
        signal.signal(number, _stop)
    one = "choices" if given.choices else "smoke"
    lab = Lab(given.name or (one if given.hosts == 1 else "trio"))
    os.environ["ANSIBLE_VAULT_PASSWORD_FILE"] = str(lab.vault_password)
    logs = REPOSITORY / "var" / "cluster" / lab.name
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    started, failed = time.monotonic(), True
    # With less than 4g the store refuses writes before a drive's alert is due: it keeps 1 GiB free
    # of six drives together. A lab that can't start is gone by itself; one that runs isn't ours.
    up(lab, given.hosts, drive_size="4g" if given.drills else "2g", bound=not given.keep)
    try:
        if given.choices:
            _other_choices(lab, logs)
        else:
            _flow(lab, logs, drills=given.drills)
        failed = False
    except Failure as error:
        print(f"FAILED: {error}", file=sys.stderr)
        _keep_journals(lab, logs)
    finally:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        if not (failed and given.keep):
            down(lab)
    print(f"{'FAILED' if failed else 'passed'} in {time.monotonic() - started:.0f} s; {logs}")
    return 1 if failed else 0


def _flow(lab: Lab, logs: Path, *, drills: bool) -> None:
    tests = REPOSITORY / "tests" / "cluster"
    # They bring inventories and vault passwords of their own, and ask no host.
    without = ["-u", "ANSIBLE_VAULT_PASSWORD_FILE", "-u", "ANSIBLE_INVENTORY"]
    with beside(lab, logs / "0-inventories.log", "env", *without, "pytest", tests / "controller"):
        converge(lab, logs)
    options = ["--hosts=ansible://stowbay", f"--ansible-inventory={lab.inventory}"]
    call(lab, logs / "4-hosts.log", "pytest", "--durations=30", *options, tests / "hosts",
         timeout=3000)  # fmt: skip
    renewal(lab, logs)
    round_trip(lab, logs)
    if drills:
        with real_tree(lab, logs):
            python = REPOSITORY / ".venv" / "bin" / "python"
            call(lab, logs / "8-drills.log", python, "-m", "tests.cluster.drills", lab.name,
                 timeout=7200)  # fmt: skip
        uninstalling(lab, logs)


def _other_choices(lab: Lab, logs: Path) -> None:
    choose(lab)
    converge(lab, logs)
    trust_publicly(lab)
    options = ["--hosts=ansible://stowbay", f"--ansible-inventory={lab.inventory}"]
    folder = REPOSITORY / "tests" / "cluster" / "hosts"
    call(lab, logs / "4-hosts.log", "pytest", *options, *(folder / each for each in TESTS))
    round_trip(lab, logs, public_authority(lab))


def _keep_journals(lab: Lab, logs: Path) -> None:
    """What the hosts said, for whoever looks at the failure; the lab may be half dead."""
    journal = "systemctl --failed --no-pager; journalctl -b --no-pager -o short-precise"
    for machine in sorted(lab.host("").glob("c*")):
        try:
            log = logs / f"journal-{machine.name}.log"
            call(lab, log, "ssh", "-F", lab.ssh_config, machine.name, journal, timeout=60)
        except (Failure, SystemExit) as error:
            print(f"no journal of {machine.name}: {error}", file=sys.stderr)


def _stop(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
