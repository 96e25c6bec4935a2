"""A ruleset that locks Ansible out is taken back by the host itself.

The role is run on one host with an admin network that isn't ours; as a dry run it says so and
leaves the kernel alone. Nothing here uses the `host` fixture: it is the playbook that looks, and
the host that saves itself.
"""

import os

import testinfra
import yaml

from tests.cluster.hosts.one_role import try_role
from tests.cluster.places import REPOSITORY

ELSEWHERE = {"cluster": ["10.77.0.0/24"], "admin": ["203.0.113.0/24"], "clients": ["0.0.0.0/0"]}
MORE = range(8901, 8931)  # than IPv4 and IPv6 rules of one row make up for


def test_the_host_lets_us_in_again_and_the_run_fails():
    inventory = os.environ["ANSIBLE_INVENTORY"]
    host = testinfra.get_host("ansible://c1", ansible_inventory=inventory)
    assert "10.77.0.0/24" in host.check_output("nft list table inet stowbay")
    digest = host.check_output("nft list table inet stowbay | grep -m1 comment")

    done = try_role("firewall", "c1", stowbay_networks=ELSEWHERE, firewall_rollback_seconds=5)
    assert done.returncode != 0, done.stdout
    assert "Load the ruleset with a way back" in done.stdout, done.stdout

    again = testinfra.get_host("ansible://c1", ansible_inventory=inventory)
    assert again.check_output("nft list table inet stowbay | grep -m1 comment") == digest
    assert "10.77.0.0/24" in again.check_output("nft list table inet stowbay")
    assert "203.0.113.0" not in again.check_output("cat /etc/stowbay/firewall.nft")


def test_a_dry_run_tells_of_another_matrix_and_loads_none(tmp_path):
    host = testinfra.get_host("ansible://c1", ansible_inventory=os.environ["ANSIBLE_INVENTORY"])
    held = "nft --stateless list table inet stowbay; cat /etc/stowbay/firewall.nft"
    before = host.check_output(held)
    matrix = yaml.safe_load((REPOSITORY / "ansible/ports.yml").read_text())
    (ssh,) = (row for row in matrix["port_matrix"] if row["service"] == "ssh")
    matrix["port_matrix"] += [{**ssh, "service": f"more-{port}", "port": port} for port in MORE]
    (tmp_path / "ports.yml").write_text(yaml.safe_dump(matrix))

    done = try_role("firewall", "c1", "--check", firewall_matrix_file=f"{tmp_path}/ports.yml")
    assert done.returncode == 0, done.stdout
    assert "changed=0" not in done.stdout, done.stdout
    assert host.check_output(held) == before
