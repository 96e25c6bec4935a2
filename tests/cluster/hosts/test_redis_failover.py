"""A member that was master joins whoever is master now, and a run of the role changes nothing."""

import os
import subprocess
import time

import pytest

from tests.cluster.places import REPOSITORY

testinfra_hosts = ["ansible://redis"]

MEMBER = "/usr/local/lib/stowbay/redis-member"


def agreed(host, seconds=90):
    """The master once all members agree on one."""
    deadline = time.monotonic() + seconds
    while (found := host.run(f"{MEMBER} check")).rc != 0:
        assert time.monotonic() < deadline, found.stderr
        time.sleep(1)
    return host.check_output(f"{MEMBER} master")


@pytest.fixture(scope="module")
def variables(host):
    return host.ansible.get_variables()


def test_a_master_that_dies_is_followed_by_nobody_and_comes_back_as_a_replica(host, variables):
    """Each host's turn: killed as a master if it is the one, else as a replica."""
    master, own = agreed(host), variables["ansible_host"]
    settings = host.check_output("stat -c %.9Y /etc/stowbay/redis/redis.conf")
    alone = len(set(variables["groups"]["redis"])) == 1
    # Longer down than the sentinels wait, so that a master's place is taken.
    host.check_output("systemctl kill -s KILL redis-server && systemctl stop redis-server")
    time.sleep(0 if alone else 12)
    host.check_output("systemctl start redis-server")
    after = agreed(host)
    if alone or master != own:
        assert after == master
    else:
        assert after != own
    assert host.check_output("stat -c %.9Y /etc/stowbay/redis/redis.conf") == settings


def test_a_run_after_it_changes_nothing(host):
    agreed(host)
    name = host.backend.host
    done = subprocess.run(
        ["ansible-playbook", REPOSITORY / "tests/cluster/role.yml", "-e", "role=redis",
         "--limit", name],
        env=os.environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "changed=0" in done.stdout, done.stdout[-3000:]
    assert "failed=0" in done.stdout, done.stdout[-3000:]
