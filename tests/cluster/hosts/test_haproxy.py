"""Each host's routes: on loopback alone, to the right member."""

import pytest

testinfra_hosts = ["ansible://stowbay"]

PKI = "/etc/stowbay/pki"


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def groups(host, variables):
    name = host.backend.get_hostname()
    return {group for group, members in variables["groups"].items() if name in members}


@pytest.fixture
def shards(variables, groups):
    """Those that this host has a way to."""
    return [
        shard
        for shard in variables["stowbay_shards"]
        if groups & {"gateway", "worker", "backup", "monitoring", shard["group"]}
    ]


def ask(host, variables, port, sql):
    """Through the route, as the appliance does; psql's answer."""
    password = variables["vault_postgres_app_password"]
    return host.run(
        f"PGPASSWORD='{password}' psql -XAt 'host=127.0.0.1 port={port} sslmode=verify-full"
        f' sslrootcert={PKI}/ca.pem user=stowbay dbname=stowbay connect_timeout=5\' -c "{sql}"'
    )


def test_runs_starts_with_the_host_and_its_settings_are_right(host):
    unit = host.service("haproxy.service")
    assert unit.is_running
    assert unit.is_enabled
    assert host.run("haproxy -c -f /etc/haproxy/haproxy.cfg").rc == 0
    found = host.file("/etc/haproxy/haproxy.cfg")
    assert (found.user, found.mode) == ("root", 0o600), "it holds Redis's password"


def test_only_the_figures_leave_loopback(host, variables):
    lines = host.check_output("ss -Hltnp").splitlines()
    bound = {line.split()[3] for line in lines if '"haproxy"' in line}
    outside = {each for each in bound if not each.startswith("127.0.0.1:")}
    assert outside == {f"{variables['ansible_host']}:9443"}


def test_the_way_to_the_primary_leads_there(host, variables, shards):
    for shard in shards:
        told = ask(
            host, variables, shard["primary_port"], "select pg_is_in_recovery(), inet_server_port()"
        )
        assert told.stdout.strip() == f"f|{shard['port']}", told.stderr


def test_the_way_to_a_replica_leads_to_one_where_there_is_one(host, variables, shards):
    for shard in shards:
        alone = len(variables["groups"][shard["group"]]) == 1
        told = ask(host, variables, shard["replica_port"], "select pg_is_in_recovery()")
        assert told.stdout.strip() == ("f" if alone else "t"), told.stderr


def test_a_route_to_the_store_and_to_the_redis_master(host, variables, groups):
    if groups & {"gateway", "worker", "edge", "objectstore", "backup"}:
        path = "/minio/health/ready" if variables["objectstore_kind"] == "minio" else "/healthz"
        told = host.run(
            f"curl -s -o /dev/null -w '%{{http_code}}' --max-time 10 --cacert {PKI}/ca.pem"
            f" https://127.0.0.1:9010{path}"
        )
        assert told.stdout == "200"
    if groups & {"gateway", "worker", "redis"}:
        talk = f"AUTH {variables['vault_redis_password']}\\r\\nINFO replication\\r\\nQUIT\\r\\n"
        told = host.run(
            f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/6479; printf \"{talk}\" >&3; timeout 10 cat <&3'"
        )
        assert "role:master" in told.stdout, told.stdout
