"""`uninstall.yml` on a cluster in use: refused, then done with the data kept, found again, removed.

Invariants checked: without the cluster's name, given or typed, and where one host is another
cluster's, nothing changes; afterwards nothing of ours runs or is left but what holds data; a
converge after that brings back the same files under the same sign-in; with remove_data the data is
gone, too, and the hosts are as a first installation wants.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster.converge import Failure, call, on_hosts, playbook
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.playbook_output import recap
from tests.cluster.round_trip import person

__all__ = ["uninstalling"]

_DRIVES = "/srv/stowbay/drives/*/"
_GONE = (
    "/opt/stowbay /usr/local/lib/stowbay /etc/patroni /etc/stowbay/pki /etc/stowbay/store "
    "/etc/stowbay/stowbay.json /etc/haproxy/haproxy.cfg /run/stowbay /var/log/stowbay "
    "/etc/systemd/system/prometheus-postgres-exporter@.service"
)
# Each prints what is wrong, and nothing else.
_UNITS = (
    "'stowbay-*' 'patroni*' etcd.service haproxy.service keepalived.service nginx.service "
    "'redis-*' 'prometheus*'"
)
_NOTHING_RUNS = f"""
systemctl list-units --all --state=active,activating,failed --plain --no-legend \
    {_UNITS}
systemctl list-unit-files --state=enabled --plain --no-legend \
    {_UNITS}
nft list tables | grep stowbay
grep -H Stowbay /etc/hosts
"""
_NOTHING_LEFT = f"""
for each in {_GONE}; do find "$each" -type f 2>/dev/null; done
find /usr/local/bin /usr/local/sbin /etc/systemd /etc/ssh/sshd_config.d -name '*stowbay*'
find /etc/systemd/system ! -type d '(' -name 'patroni@*' -o -name 'prometheus*' ')'
ls -d /var/cache/stowbay* /var/lib/postgresql/*.pgpass 2>/dev/null
findmnt --noheadings --list | grep /var/cache/
grep -E 'stowbay-(edge|cache)' /etc/fstab /etc/crypttab 2>/dev/null
"""
_DATA_IS_THERE = f"""
[ "$(cat /etc/stowbay/cluster)" ] || echo 'no marker'
ls -d /var/lib/postgresql/*/*/PG_VERSION 2>&1 >/dev/null
ls -d /var/lib/etcd/*/member 2>&1 >/dev/null
for each in {_DRIVES}; do [ "$(ls -A "$each")" ] || echo "$each is empty"; done
"""
_NO_DATA = f"""
find /etc/stowbay /var/lib/postgresql /var/lib/etcd /var/lib/redis /var/lib/stowbay* \
    {_DRIVES} -mindepth 1 -type f 2>/dev/null | head -n 20
"""
_UNCHANGED = "Nothing was changed."
# The first host as another cluster's, and as ours again.
_TAKEN = """
[ "$(hostname)" != c1 ] ||
    { cp -p /etc/stowbay/cluster /run/cluster && echo another >/etc/stowbay/cluster; } 2>&1
"""
_GIVEN_BACK = """
[ "$(hostname)" != c1 ] || mv /run/cluster /etc/stowbay/cluster 2>&1
"""


def uninstalling(lab: Lab, logs: Path) -> None:
    variables = yaml.safe_load((lab.inventory / "group_vars/all/main.yml").read_text("utf-8"))
    name = str(variables["stowbay_name"])
    with person(lab, logs / "9-login.log") as somebody:
        somebody.put("kept", logs / "9-put.log")
        sure = ("uninstall.yml", "-e", f"confirm={name}")
        unnamed = f"would uninstall the cluster {name}"
        _refused(lab, logs / "9-refused-silence.log", unnamed, "uninstall.yml")
        _refused(lab, logs / "9-refused-name.log", unnamed, *sure[:-1], f"confirm={name}x")
        _refused(lab, logs / "9-refused-typed.log", unnamed, "uninstall.yml", typed=f"{name}x\n")
        _expect_silence(lab, _TAKEN)
        _refused(lab, logs / "9-refused-host.log", "belongs to the cluster another", *sure)
        _expect_silence(lab, _GIVEN_BACK)
        somebody.get("kept", logs / "9-still-there.log")

        playbook(lab, logs / "9-uninstall.log", "uninstall.yml", may_change=True, typed=f"{name}\n")
        _expect_silence(lab, _NOTHING_RUNS + _NOTHING_LEFT + _DATA_IS_THERE)
        playbook(lab, logs / "9-uninstall-again.log", *sure)

        playbook(lab, logs / "9-converge.log", "site.yml", may_change=True)
        somebody.get("kept", logs / "9-found-again.log")
    everything = (*sure, "-e", "remove_data=true")
    playbook(lab, logs / "9-remove.log", *everything, may_change=True)
    _expect_silence(lab, _NOTHING_RUNS + _NOTHING_LEFT + _NO_DATA)


def _refused(lab: Lab, log: Path, why: str, *arguments: str, typed: str = "") -> None:
    """A run that must fail with this reason, and change nothing."""
    command = ("ansible-playbook", *arguments)
    try:
        call(lab, log, *command, folder=REPOSITORY / "ansible", typed=typed)
    except Failure:
        said = log.read_text()
        changed = [each["changed"] for each in recap(said).values()]
        reason = " ".join(said.split())
        if any(changed) or not changed or why not in reason or _UNCHANGED not in reason:
            raise Failure(f"not refused as it should be: {log}") from None
        return
    raise Failure(f"{' '.join(arguments)} was not refused: {log}")


def _expect_silence(lab: Lab, findings: str) -> None:
    if found := sorted(on_hosts(lab, findings + "true\n")):
        raise Failure("after the uninstall:\n  " + "\n  ".join(found))
