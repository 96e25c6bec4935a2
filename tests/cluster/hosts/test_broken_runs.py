"""What a run that broke off before its handlers left is seen by the next run.

Each test makes a file younger than what read it, and asks by a dry run, so no part is restarted. Of
both labs each host carries every part.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.controller.altered import play


@pytest.fixture
def touch(host: Any) -> Iterator[Any]:
    kept = {}

    def now(path: str) -> None:
        kept[path] = host.check_output(f"stat -c %Y {path}")
        host.check_output(f"touch {path}")

    yield now
    for path, seconds in kept.items():
        host.check_output(f"touch -d @{seconds} {path}")


@pytest.mark.parametrize(
    ("tag", "unit", "path"),
    [
        ("etcd", "etcd.service", "/etc/default/etcd"),
        ("postgres", "patroni@shard1.service", "/etc/patroni/shard1.yml"),
        ("haproxy", "haproxy.service", "/etc/haproxy/haproxy.cfg"),
        ("redis", "redis-server.service", "/etc/stowbay/redis/redis.conf"),
        ("objectstore", "stowbay-store.service", "/etc/stowbay/store/store.env"),
    ],
)
def test_what_a_part_has_not_read_yet(
    host: Any, touch: Any, tag: str, unit: str, path: str
) -> None:
    name = host.ansible.get_variables()["inventory_hostname"]
    touch(path)
    said = play(Path(os.environ["ANSIBLE_INVENTORY"]), "--check", "--tags", tag)
    assert said.code == 0, said.text
    _, _, after = said.text.partition(f"Look for what isn't read yet by {unit}")
    assert f"changed: [{name}]" in after.split("TASK [")[0], said.text
    assert "RUNNING HANDLER" in after
