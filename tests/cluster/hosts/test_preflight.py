"""What the preflight sees on a host, and that a converged host is fit to be converged again."""

import pytest

from tests.cluster.hosts.matrix import address_of, listening, opened_on
from tests.unit.ansible.plugins import filter_plugin

findings = filter_plugin("host_findings")


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


def survey(host, **arguments):
    given = " ".join(f"{name}='{value}'" for name, value in arguments.items())
    return host.ansible("stowbay_host_survey", given, check=False, become=True)["survey"]


def test_a_look_sees_the_host(host, variables):
    seen = survey(host)
    assert seen["os"] == {"ID": "debian", "VERSION_ID": "13"}
    assert seen["marker"] == variables["stowbay_name"]
    assert any(
        each["address"].split("/")[0] == address_of(variables) for each in seen["interfaces"]
    )
    assert seen["ssh_peers"], "we are connected"
    assert seen["memory_mb"] > 0


def test_a_clock_is_read_between_two_readings_of_the_controllers(host):
    read = host.ansible("stowbay_clock", check=True)
    assert read["before"] <= read["time"] <= read["after"], "the lab's hosts share one clock"
    assert read["after"] - read["before"] < 2


def test_mounted_drives_are_told_from_folders(host, variables):
    drives = variables["objectstore_drives"]
    seen = survey(host, drives=",".join([*drives, "/root", "/no-such-folder"]))
    assert (seen["drives"].pop("/root"), seen["drives"].pop("/no-such-folder")) == (None, None)
    assert findings.drive_faults(seen, {}) == []
    assert list(seen["drives"]) == drives


def test_listeners_have_units(host):
    units = {each["port"]: each["unit"] for each in listening(host) if each["proto"] == "tcp"}
    assert units[22] == "ssh.service"


def test_nothing_of_ours_is_taken_for_foreign(host, variables):
    rows = opened_on(variables, variables["inventory_hostname"])
    assert not list(findings._sockets({"listeners": listening(host)}, rows))
