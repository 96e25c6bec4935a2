"""etcd on hosts: all members there, closed to whoever has no certificate of ours."""

import json

import pytest

testinfra_hosts = ["ansible://etcd"]

PKI = "/etc/stowbay/pki"


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


def status(host, url, leaf=None):
    shown = f"--cert {PKI}/{leaf}/cert.pem --key {PKI}/{leaf}/key.pem" if leaf else ""
    return host.run(
        f"curl -s --http1.1 -o /dev/null --max-time 10 --cacert {PKI}/ca.pem {shown}"
        f" -w '%{{http_code}}' {url}"
    ).stdout


def test_runs_and_starts_with_the_host(host):
    unit = host.service("etcd.service")
    assert unit.is_running
    assert unit.is_enabled


def test_the_members_are_the_inventorys_and_all_started(host, variables):
    listed = json.loads(host.check_output("stowbay-etcdctl member list --write-out=json"))
    assert {each["name"] for each in listed["members"]} == set(variables["groups"]["etcd"])
    assert all(each["clientURLs"] for each in listed["members"])
    assert not any(each.get("isLearner") for each in listed["members"])


def test_all_agree_on_one_leader_and_no_alarm_is_raised(host, variables):
    told = json.loads(host.check_output("stowbay-etcdctl endpoint status --write-out=json"))
    assert len(told) == len(variables["groups"]["etcd"])
    assert len({each["Status"]["leader"] for each in told}) == 1
    assert told[0]["Status"]["leader"] != 0
    assert not any(each["Status"].get("errors") for each in told)


@pytest.mark.parametrize("port", [2379, 2380])
def test_without_a_certificate_of_ours_nothing_is_told(host, variables, port):
    url = f"https://{variables['ansible_host']}:{port}/version"
    assert status(host, url) == "000"
    foreign = "/run/stowbay-test-foreign"
    host.check_output(
        f"mkdir -p {foreign} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        f" -nodes -days 1 -subj /CN=etcd -keyout {foreign}/key.pem -out {foreign}/cert.pem"
    )
    assert status(host, url, f"../../..{foreign}") == "000"
    host.check_output(f"rm -r {foreign}")
    assert status(host, url, "etcd") == "200"


def test_peers_have_the_name_etcd(host, variables):
    """Any other leaf of the host is refused where members speak with each other."""
    url = f"https://{variables['ansible_host']}:2380/version"
    assert status(host, url, "metrics") == "000"


def test_health_is_told_on_loopback_alone(host, variables):
    assert status(host, "http://127.0.0.1:2381/health") == "200"
    assert status(host, f"http://{variables['ansible_host']}:2381/health") == "000"


def test_data_and_key_are_etcds_alone(host):
    data = host.file("/var/lib/etcd/stowbay")
    assert (data.user, data.mode) == ("etcd", 0o700)
    assert host.run(f"setpriv --reuid=nobody --clear-groups cat {PKI}/etcd/key.pem").rc != 0


def test_confined(host):
    told = host.check_output("systemd-analyze security --no-pager etcd.service | tail -1")
    assert float(told.split(":")[1].split()[0]) <= 3.0, told
