"""All leaf certificates renewed at once, as an operator does it, while somebody asks.

Invariants checked: every leaf is another one afterwards, what can be reloaded wasn't restarted,
and no question was left without an answer. That each listener shows its new leaf is a test of
hosts (test_pki.py), run anew.
"""

from __future__ import annotations

import fnmatch
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.addresses import PUBLIC_NAME
from tests.cluster.converge import Failure, call, on_hosts, playbook
from tests.cluster.lab import enter
from tests.cluster.places import REPOSITORY, Lab

__all__ = ["renewal"]

# Sentinel and the worker aren't here: the one can't read its certificate anew, the other has none.
_RELOADED = (
    "etcd", "patroni@*", "haproxy", "redis-server", "stowbay-store", "stowbay-gateway@*", "nginx",
    "prometheus", "prometheus-alertmanager",
)  # fmt: skip
_LEAVES = (
    "for f in /etc/stowbay/pki/*/cert.pem; do "
    'echo "$f $(openssl x509 -in "$f" -noout -serial)"; done'
)
# A unit that was restarted has another invocation, one that was reloaded the same.
_UNITS = (
    "systemctl list-units --state=active --plain --no-legend "
    f"{' '.join(f'{name}.service' for name in _RELOADED)} | "
    "while read -r unit more; do "
    'echo "$unit $(systemctl show --property=InvocationID,MainPID "$unit" | sort | xargs)"; done'
)
_PER_SECOND = 4


def renewal(lab: Lab, logs: Path) -> None:
    leaves, units = on_hosts(lab, _LEAVES), on_hosts(lab, _UNITS)
    running = {unit.split()[1] for unit in units}
    if missing := [name for name in _RELOADED if not fnmatch.filter(running, f"{name}.service")]:
        raise Failure(f"not running before the renewal: {missing}")
    with _asking(lab, logs / "4-renewal-asked.log"):
        arguments = ("--tags", "pki", "-e", "pki_renew_below_days=91")
        playbook(lab, logs / "4-renewal.log", "site.yml", *arguments, may_change=True)
    kept = leaves & on_hosts(lab, _LEAVES)
    if kept or not leaves:
        raise Failure(f"leaves that were not renewed, of {len(leaves)}: {sorted(kept)}")
    if gone := units - on_hosts(lab, _UNITS):
        raise Failure(f"restarted, not reloaded: {sorted(gone)}")
    tests = REPOSITORY / "tests" / "cluster" / "hosts" / "test_pki.py"
    options = ["--hosts=ansible://stowbay", f"--ansible-inventory={lab.inventory}"]
    call(lab, logs / "4-renewed.log", "pytest", *options, tests)
    print(f"{len(leaves)} leaves renewed; none of {len(units)} units restarted", flush=True)


@contextmanager
def _asking(lab: Lab, log: Path) -> Iterator[None]:
    """Somebody asks all the time, each time by a new connection, whether the product is ready:
    database and store must answer, too. Each line of the log is a status, 000 for no answer."""
    authority = lab.inventory / "state" / "pki" / "ca.pem"
    # Until its input ends: whoever enters the lab leaves a child behind when killed.
    question = (
        f"while read -r -t {1 / _PER_SECOND}; [ $? -gt 128 ]; do "
        "curl -sS -m 10 -o /dev/null -w '%{http_code}\\n' "
        f"--cacert {authority} https://{PUBLIC_NAME}/health/ready; done"
    )
    with log.open("wb") as output:
        asking = subprocess.Popen(
            enter(lab, ["bash", "-c", question]),
            stdin=subprocess.PIPE, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield
        finally:
            asking.communicate(timeout=30)
    answers = log.read_text().split("\n")[:-1]
    if set(answers) != {"200"}:
        wrong = [each for each in answers if each != "200"]
        raise Failure(f"{len(wrong)} of {len(answers)} answers during the renewal: {wrong[:5]}")
    print(f"{len(answers)} answers meanwhile, all of them 200", flush=True)
