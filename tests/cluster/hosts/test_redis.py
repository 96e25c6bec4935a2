"""Redis on hosts: who may connect and do what, that nothing reaches a disk, who is master."""

import pytest

from tests.cluster.hosts.matrix import address_of, answers

testinfra_hosts = ["ansible://redis"]

MEMBER = "/usr/local/lib/stowbay/redis-member"
REFUSED = ("KEYS '*'", "FLUSHALL", "CONFIG GET '*'", "ACL LIST", "SHUTDOWN NOSAVE", "SAVE",
           "MODULE LIST", "MONITOR", "GETDEL x")  # fmt: skip
CONFIG = "/etc/stowbay/redis/redis.conf"


@pytest.fixture(scope="module")
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture(scope="module")
def address(variables):
    return address_of(variables)


@pytest.fixture(scope="module")
def members(variables):
    return len(set(variables["groups"]["redis"]))


def ask(host, address, *words, user="", password="", port=6379):
    """What redis-cli prints. The password goes by the environment, not by `ps`."""
    signed = f"REDISCLI_AUTH='{password}' " if password else ""
    named = f"--user {user} " if user else ""
    line = f"{signed}redis-cli --no-auth-warning --tls --cacert /etc/stowbay/pki/ca.pem {named}"
    return host.run(f"{line}-h {address} -p {port} {' '.join(words)} 2>&1").stdout.strip()


def figures(host, address, variables, section):
    told = ask(host, address, "INFO", section, password=variables["vault_redis_password"])
    pairs = (line.strip().split(":", 1) for line in told.splitlines() if ":" in line)
    return dict(pairs)


def test_it_runs_and_starts_with_the_host(host, members):
    redis, sentinel = host.service("redis-server"), host.service("redis-sentinel")
    assert redis.is_running
    assert redis.is_enabled
    assert (sentinel.is_running, sentinel.is_enabled) == (members > 1, members > 1)


def test_it_listens_on_the_inner_address_and_loopback_alone(host, address, members):
    listed = host.check_output("ss -Hltnp").splitlines()
    own = {line.split()[3] for line in listed if "redis-" in line}
    ports = (6379, 26379) if members > 1 else (6379,)
    assert own == {f"{at}:{port}" for at in (address, "127.0.0.1") for port in ports}


def test_the_controller_is_no_member_and_gets_no_answer(address):
    assert not answers(address, 6379)
    assert not answers(address, 26379)


def test_without_tls_nobody_is_heard(host, address, members):
    for port in (6379, 26379) if members > 1 else (6379,):
        told = host.run(f"timeout 5 redis-cli -h {address} -p {port} PING 2>&1").stdout
        assert "PONG" not in told
        assert "NOAUTH" not in told


def test_without_a_password_nobody_is_heard(host, address, members):
    assert ask(host, address, "PING").startswith("NOAUTH")
    for password in ("redis", "stowbay", "wrong"):
        assert "WRONGPASS" in ask(host, address, "PING", password=password)
    if members > 1:
        assert ask(host, address, "PING", port=26379).startswith("NOAUTH")


def test_no_password_opens_more_than_its_user_needs(host, address, variables):
    held = variables["vault_redis_password"], variables["vault_sentinel_password"]
    users = {"default": held[0], "replica": held[1], "sentinel": held[1], "operator": held[1]}
    for user, password in users.items():
        assert ask(host, address, "PING", user=user, password=password) == "PONG", user
        for command in REFUSED:
            told = ask(host, address, command, user=user, password=password)
            assert "NOPERM" in told, (user, command, told)
    assert "NOPERM" in ask(host, address, "REPLICAOF NO ONE", password=held[0])
    assert "WRONGPASS" in ask(host, address, "PING", user="operator", password=held[0])


def test_nothing_reaches_a_disk(host, address, variables):
    persistence = figures(host, address, variables, "persistence")
    assert persistence["aof_enabled"] == "0"
    assert persistence["rdb_saves"] == "0"
    files = host.check_output("find /var/lib/redis -type f -printf '%P\\n'").split()
    assert set(files) <= {"sentinel/sentinel.conf", "sentinel/seed"}
    memory = figures(host, address, variables, "memory")
    assert memory["maxmemory_policy"] == "allkeys-lru"
    assert int(memory["maxmemory"]) > 0


def test_one_is_master_and_all_agree(host, address, variables, members):
    found = host.run(f"{MEMBER} check")
    assert (found.rc, found.stderr) == (0, "")
    master = host.check_output(f"{MEMBER} master")
    replication = figures(host, address, variables, "replication")
    if members == 1:
        assert (replication["role"], master) == ("master", address)
    elif master == address:
        assert replication["role"] == "master"
        assert int(replication["min_slaves_good_slaves"]) == members - 1
    else:
        assert (replication["role"], replication["master_host"]) == ("slave", master)
        assert replication["master_link_status"] == "up"


def test_settings_are_nobody_elses_and_redis_can_not_write_them(host):
    for path, mode in ((CONFIG, 0o640), ("/etc/stowbay/redis/member.json", 0o600)):
        found = host.file(path)
        assert (found.user, found.group, found.mode) == ("root", "redis", mode), path
    assert host.run(f"setpriv --reuid=redis --regid=redis --clear-groups test -w {CONFIG}").rc == 1
    assert host.run(f"setpriv --reuid=nobody --clear-groups cat {CONFIG}").rc != 0


def test_a_renewed_certificate_needs_no_restart(host):
    before = host.check_output("systemctl show -P MainPID redis-server")
    host.check_output("systemctl reload redis-server")
    assert host.check_output("systemctl show -P MainPID redis-server") == before


def test_no_log_holds_a_password(host, variables):
    log = host.check_output("journalctl --no-pager -o cat -u redis-server -u redis-sentinel")
    assert log
    for name in ("vault_redis_password", "vault_sentinel_password"):
        assert (variables[name] in log) is False, name
