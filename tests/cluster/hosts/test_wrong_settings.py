"""A setting that a part can't read: the run ends with the part's own words, and the part goes on
with the settings it had, not even told to read others."""

import os
import shlex

import pytest
import testinfra

from tests.cluster.hosts.one_role import run_role, try_role

# role, a variable and its wrong value, whose words, unit, its settings
WRONG = [
    ("firewall", {"firewall_extra_rules": ["tcp dport nowhere accept"]}, "nowhere accept",
     "stowbay-firewall.service", "/etc/stowbay/firewall.nft"),
    ("haproxy", {"haproxy_check_seconds": -1}, "unexpected character '-'", "haproxy.service",
     "/etc/haproxy/haproxy.cfg"),
    ("prometheus", {"prometheus_scrape_interval": "often"}, "not a valid duration string",
     "prometheus.service", "/etc/prometheus/prometheus.yml"),
]  # fmt: skip
HELD = "systemctl show --property=InvocationID,StateChangeTimestamp,ActiveState"


@pytest.fixture(scope="module")
def c1():
    return testinfra.get_host("ansible://c1", ansible_inventory=os.environ["ANSIBLE_INVENTORY"])


@pytest.mark.parametrize(
    ("role", "wrong", "words", "unit", "settings"), WRONG, ids=[each[0] for each in WRONG]
)
def test_what_a_part_can_not_read_never_takes_the_settings_place(
    c1, role, wrong, words, unit, settings
):
    held = f"{HELD} {unit}; sha256sum {settings}"
    before = c1.check_output(held)
    assert "ActiveState=active" in before
    done = try_role(role, "c1", **wrong)
    assert done.returncode != 0, done.stdout
    assert words in " ".join(done.stdout.split()), done.stdout
    assert c1.check_output(held) == before


def test_the_edge_serves_on_until_the_next_run_rights_its_files(c1):
    """nginx's files include each other, so they are tried where they lie."""
    unit, folder = f"{HELD} nginx.service", "sha256sum /etc/stowbay/edge/*.conf"
    before, right = c1.check_output(unit), c1.check_output(folder)
    done = try_role("edge", "c1", edge_signin_burst=-1)
    try:
        assert done.returncode != 0, done.stdout
        assert 'invalid burst value "burst=-1"' in done.stdout.replace('\\"', '"'), done.stdout
        assert c1.check_output(unit) == before
        name = shlex.quote(c1.ansible.get_variables()["stowbay_public_name"])
        ready = f"curl -fsS --cacert /etc/stowbay/pki/ca.pem https://{name}/health/ready"
        c1.check_output(ready)
    finally:
        run_role("edge", "c1")
    assert c1.check_output(folder) == right


def test_sshd_hears_of_settings_when_it_can_read_them_all(c1):
    """A reload that was lost is made up for, too: here a foreign file was in its way."""
    own, foreign = (f"/etc/ssh/sshd_config.d/{name}.conf" for name in ("10-stowbay", "90-foreign"))
    asked = f"{HELD} ssh.service"
    before = c1.check_output(asked)
    try:
        c1.check_output(f"echo Nonsense yes > {foreign}; touch {own}")
        done = try_role("os_baseline", "c1")
        assert done.returncode != 0, done.stdout
        assert "Bad configuration option: Nonsense" in done.stdout, done.stdout
        assert c1.check_output(asked) == before
    finally:
        c1.check_output(f"rm {foreign}")
    run_role("os_baseline", "c1")
    since = "StateChangeTimestamp"
    after = c1.check_output(asked)
    assert [line for line in after.split("\n") if since not in line] == [
        line for line in before.split("\n") if since not in line
    ]
    assert after != before
