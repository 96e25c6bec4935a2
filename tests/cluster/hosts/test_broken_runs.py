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
    "etcd.service": "/etc/default/etcd",
    "patroni@shard1.service": "/etc/patroni/shard1.yml",
    "haproxy.service": "/etc/haproxy/haproxy.cfg",
    "redis-server.service": "/etc/stowbay/redis/redis.conf",
    "stowbay-store.service": "/etc/stowbay/store/store.env",
}
TAGS = {"etcd", "postgres", "haproxy", "redis", "objectstore"}
ROLES = {"etcd", "patroni", "haproxy", "redis", "objectstore"}


@contextmanager
def touched(host: Any) -> Iterator[None]:
    before = {path: host.check_output(f"stat -c %Y {path}") for path in READ.values()}
    try:
        host.check_output("touch " + " ".join(before))
        yield
    finally:
        for path, seconds in before.items():
            host.check_output(f"touch -d @{seconds} {path}")


@pytest.mark.timeout(1000)
def test_what_parts_have_not_read_yet_is_seen() -> None:
    inventory = os.environ["ANSIBLE_INVENTORY"]
    hosts = testinfra.get_hosts(["ansible://stowbay"], ansible_inventory=inventory)
    names = {host.backend.host for host in hosts}
    with ExitStack() as stack:
        for host in hosts:
            stack.enter_context(touched(host))
        said = play(Path(inventory), "--check", "--tags", ",".join(TAGS), seconds=900)
    assert said.code == 0, said.text
    for unit in READ:
        _, _, after = said.text.partition(f"Look for what isn't read yet by {unit}")
        assert set(re.findall(r"changed: \[(\S+)\]", after.split("TASK [")[0])) == names, said.text
    notified = set(re.findall(r"RUNNING HANDLER \[(\w+) : ", said.text))
    assert notified >= ROLES, said.text
