"""What a run that broke off before its handlers left is seen by the next run.

Files are made younger than what read them, on all hosts, and a dry run is asked, so no part is
restarted. Of both labs each host carries every part.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import testinfra

from tests.cluster.controller.altered import play

READ = {
    "chrony.service": ["/etc/chrony/chrony.conf"],
    "systemd-sysctl.service": ["/etc/sysctl.d/60-stowbay.conf"],
    "systemd-journald.service": ["/etc/systemd/journald.conf.d/stowbay.conf"],
    "ssh.service": ["/etc/ssh/sshd_config.d/10-stowbay.conf"],
    "etcd.service": ["/etc/default/etcd"],
    "patroni@shard1.service": ["/etc/patroni/shard1.yml"],
    "haproxy.service": ["/etc/haproxy/haproxy.cfg"],
    "redis-server.service": ["/etc/stowbay/redis/redis.conf"],
    "stowbay-store.service": ["/etc/stowbay/store/store.env"],
    "prometheus-node-exporter.service": ["/etc/default/prometheus-node-exporter"],
    "prometheus-postgres-exporter@shard1.service": [
        "/etc/systemd/system/prometheus-postgres-exporter@.service"
    ],
    "prometheus.service": ["/etc/prometheus/prometheus.yml", "/etc/default/prometheus"],
    "prometheus-alertmanager.service": [
        "/etc/prometheus/alertmanager.yml",
        "/etc/default/prometheus-alertmanager",
    ],
}
LEAVES = {
    "patroni@shard1.service": "postgres",
    "haproxy.service": "metrics",
    "redis-server.service": "redis",
    "stowbay-store.service": "store",
    "stowbay-gateway@0.service": "gateway",
    "stowbay-gateway@1.service": "gateway",
    "nginx.service": "edge-inner",
}
TOUCHED = [path for paths in READ.values() for path in paths]
TOUCHED += sorted({f"/etc/stowbay/pki/{leaf}/cert.pem" for leaf in LEAVES.values()})
TAGS = "os_baseline etcd postgres haproxy redis objectstore gateway edge exporters monitoring"
HANDLERS = {
    "os_baseline : Start chrony anew", "os_baseline : Apply the kernel's settings",
    "os_baseline : Start the journal anew", "os_baseline : Tell sshd", "etcd : Restart etcd",
    "patroni : Reload Patroni's shard1", "haproxy : Reload HAProxy", "redis : Restart redis",
    "objectstore : Stop the store", "exporters : Restart exporters",
    "prometheus : Reload prometheus", "prometheus : Restart prometheus",
    "alertmanager : Reload alertmanager", "alertmanager : Restart alertmanager",
}  # fmt: skip


@contextmanager
def touched(host: Any) -> Iterator[None]:
    before = {path: host.check_output(f"stat -c %y {path}") for path in TOUCHED}
    try:
        host.check_output("touch " + " ".join(before))
        yield
    finally:
        for path, time in before.items():
            host.check_output(f"touch -d '{time}' {path}")


def tasks(text: str, name: str) -> list[tuple[str, str]]:
    """(what the name's group matched, what was said) of each task of such a name."""
    return re.findall(rf"^TASK \[[^]]*{name}\] \**\n(.*?)(?=^(?:TASK|PLAY|RUNNING))", text,
                      re.DOTALL | re.MULTILINE)  # fmt: skip


@pytest.mark.timeout(1000)
def test_what_parts_have_not_read_yet_is_seen() -> None:
    inventory = os.environ["ANSIBLE_INVENTORY"]
    hosts = testinfra.get_hosts(["ansible://stowbay"], ansible_inventory=inventory)
    names = {host.backend.host for host in hosts}
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(touched(host))
        asked = ["--check", "--tags", ",".join(TAGS.split()), "--skip-tags", "install,verify"]
        said = play(Path(inventory), *asked, seconds=900)
    assert said.code == 0, said.text

    looked = tasks(said.text, "Look for what isn't read yet by (\\S+)")
    for unit, paths in READ.items():
        answers = [answer for of, answer in looked if of == unit]
        assert len(answers) >= len(paths), unit
        for answer in answers:
            assert set(re.findall(r"changed: \[(\S+)\]", answer)) == names, said.text
    assert set(re.findall(r"^RUNNING HANDLER \[(.+?)\]", said.text, re.MULTILINE)) >= HANDLERS

    unread = "".join(
        answer for _, answer in tasks(said.text, "Look who hasn't read yet (\\S+)[^]]*")
    )
    found = set(re.findall(r"changed: \[(\S+)\] => \(item=(\S+)\)", unread))
    assert found >= {(name, unit) for name in names for unit in LEAVES}, said.text
