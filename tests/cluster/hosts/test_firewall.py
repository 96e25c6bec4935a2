"""Default deny on real hosts: what the matrix doesn't open is silent from outside, and nothing
listens that the matrix doesn't know.

The controller is no host of the cluster, so each inner port must be silent from here while the
host itself reaches it; between hosts a listener of the test's own shows the same.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.hosts.matrix import address_of, answers, hosts_of, listening, opened_on, ports

FREE_PORT = 18999
LISTEN = (
    "import socket,sys,time; s=socket.create_server(('0.0.0.0',int(sys.argv[1])));"
    "s.settimeout(60)\nwhile True: s.accept()[0].close()"
)
KNOCK = (
    "import socket,sys\n"
    "try: socket.create_connection((sys.argv[1],int(sys.argv[2])),3).close()\n"
    "except TimeoutError: print('silent')\n"
    "except OSError as e: print(type(e).__name__)\n"
    "else: print('open')\n"
)


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def rows(variables):
    return opened_on(variables, variables["inventory_hostname"])


@contextlib.contextmanager
def stray_listener(host):
    """A program on a port that no row knows, reachable on all addresses but for the firewall."""
    unit = f"stowbay-test-listener-{FREE_PORT}"
    host.check_output(
        f'systemd-run --quiet --collect --unit={unit} /usr/bin/python3 -c "{LISTEN}" {FREE_PORT}'
    )
    try:
        for _ in range(50):
            if f":{FREE_PORT}" in host.check_output("ss -Hlnt"):
                break
            time.sleep(0.1)
        yield
    finally:
        host.run(f"systemctl stop {unit}")


def knock(host, address: str, port: int) -> str:
    return host.check_output(f'python3 -c "{KNOCK}" {address} {port}').strip()


def test_the_unit_loads_it_at_boot(host):
    unit = host.service("stowbay-firewall")
    assert unit.is_enabled
    assert unit.is_running
    assert "Timer" not in host.check_output(
        "systemctl list-units --plain --no-legend 'stowbay-firewall-rollback*'"
    ), "the way back is still armed"


def test_the_unit_is_confined(host):
    told = host.check_output("systemd-analyze security --no-pager stowbay-firewall | tail -n 1")
    assert float(told.split(":")[1].split()[0]) <= 3.0, told


def test_it_goes_and_comes_as_a_whole(host):
    """By its unit, so confined as at boot."""
    before = host.check_output("nft list table inet stowbay | grep -v counter")
    try:
        host.check_output("systemctl stop stowbay-firewall")
        assert "inet stowbay" not in host.check_output("nft list tables")
    finally:
        host.check_output("systemctl start stowbay-firewall")
    assert host.check_output("nft list table inet stowbay | grep -v counter") == before


def test_both_chains_deny_by_default(host):
    table = host.check_output("nft list table inet stowbay")
    assert table.count("policy drop") == 2
    assert "hook input" in table
    assert "hook forward" in table


def test_the_file_loads(host):
    host.check_output("nft -c -f /etc/stowbay/firewall.nft")
    assert not host.file("/etc/stowbay/firewall.nft").mode & 0o007


def test_another_table_is_left_alone(host):
    host.check_output("nft add table inet not_ours")
    try:
        host.check_output("systemctl reload stowbay-firewall")
        assert "not_ours" in host.check_output("nft list tables")
    finally:
        host.check_output("nft delete table inet not_ours")


def test_every_listener_is_in_the_matrix(host, rows):
    seen = listening(host)
    assert {22} <= {each["port"] for each in seen}
    assert ports.port_strangers(seen, rows) == []


def test_a_stray_listener_is_noticed(host, rows):
    with stray_listener(host):
        strangers = ports.port_strangers(listening(host), rows)
    assert [each for each in strangers if f":{FREE_PORT}/" in each]


def test_a_stray_listener_is_silent_from_outside(host, variables):
    address = address_of(variables)
    with stray_listener(host):
        assert knock(host, "127.0.0.1", FREE_PORT) == "open"
        assert knock(host, address, FREE_PORT) == "open", "its own address is loopback to it"
        assert not answers(address, FREE_PORT)


def test_a_stray_listener_is_silent_from_the_other_hosts(host, variables):
    """In a lab of one host there is no other, and the controller (above) stands for it."""
    own = variables["inventory_hostname"]
    others = [name for name in hosts_of(variables) if name != own]
    with stray_listener(host):
        for name in others:
            other = host.get_host(
                f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory
            )
            assert knock(other, address_of(variables), FREE_PORT) == "silent", name


def test_inner_listeners_are_silent_from_outside_and_public_ones_answer(host, variables, rows):
    """Listener by listener, from a machine that is in no group."""
    address = address_of(variables)
    public = {
        (row["service"], port): any(source.startswith("network:") for source in row["from"])
        for row in rows
        if row["proto"] == "tcp"
        for port in row["ports"]
    }
    with ThreadPoolExecutor(40) as pool:  # silence takes its seconds
        seen = dict(
            zip(public, pool.map(lambda each: answers(address, each[1]), public), strict=True)
        )
    assert seen == public
    assert list(public.values()).count(False) > 10


def test_what_a_host_may_not_reach_between_groups_is_silent(host, variables, rows):
    """Only where groups are apart: in a cluster whose hosts are in all groups all is allowed."""
    groups = variables["groups"]
    for name in hosts_of(variables):
        if name == variables["inventory_hostname"]:
            continue
        member = {group for group, hosts in groups.items() if name in hosts}
        other = host.get_host(f"ansible://{name}", ansible_inventory=host.backend.ansible_inventory)
        for row in rows:
            allowed = member & set(row["from"]) or any(":" in each for each in row["from"])
            if row["proto"] == "tcp" and not row["loopback"] and not allowed:
                said = knock(other, address_of(variables), row["ports"][0])
                assert said == "silent", f"{row['service']} from {name}"


def test_nothing_is_forwarded(host):
    table = host.check_output("nft list chain inet stowbay forward")
    assert "accept" not in table
