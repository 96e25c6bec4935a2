"""The one door to each host's figures, as Prometheus sees it from a monitoring host."""

import pytest

testinfra_hosts = ["ansible://monitoring"]

PKI = "/etc/stowbay/pki"


@pytest.fixture
def groups(host):
    return host.ansible.get_variables()["groups"]


def figures(host, name, part, leaf="prometheus"):
    """(HTTP status, or 000 without one; body)"""
    shown = f"--cert {PKI}/{leaf}/cert.pem --key {PKI}/{leaf}/key.pem" if leaf else ""
    told = host.run(
        f"curl -s --max-time 20 --cacert {PKI}/ca.pem {shown} -w '\\n%{{http_code}}'"
        f" https://{name}:9443/{part}/metrics"
    )
    body, _, status = told.stdout.rpartition("\n")
    return status, body


def test_nobody_but_prometheus_gets_figures(host, groups):
    for name in groups["stowbay"]:
        assert figures(host, name, "haproxy", leaf=None)[0] == "000", name
        assert figures(host, name, "haproxy", leaf="metrics")[0] == "403", name


def test_nothing_but_the_parts_is_behind_the_door(host, groups):
    for name in groups["stowbay"]:
        assert figures(host, name, "unknown")[0] == "404", name


def test_every_host_tells_its_own_and_haproxys(host, groups):
    for name in groups["stowbay"]:
        for part, wanted in {
            "haproxy": "haproxy_backend_active_servers{",
            "node": "node_load1 ",
        }.items():
            status, body = figures(host, name, part)
            assert status == "200", (name, part)
            assert wanted in body, (name, part)


def test_members_of_etcd_and_of_each_shard_tell_theirs(host, groups):
    for name in groups["etcd"]:
        status, body = figures(host, name, "etcd")
        assert status == "200", name
        assert "etcd_server_has_leader 1" in body, name
    for shard in host.ansible.get_variables()["stowbay_shards"]:
        for name in groups[shard["group"]]:
            status, body = figures(host, name, f"patroni-{shard['name']}")
            assert status == "200", (name, shard["name"])
            assert "patroni_postgres_running{" in body
            assert f'scope="{shard["name"]}"' in body
            status, body = figures(host, name, f"postgres-{shard['name']}")
            assert status == "200", (name, shard["name"])
            assert "pg_up 1" in body
