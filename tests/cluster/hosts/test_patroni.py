"""Members of every shard on a host: what they promise, and whom they talk to."""

import base64
import hashlib
import hmac
import json

import pytest
import yaml

testinfra_hosts = ["ansible://postgres"]

PKI = "/etc/stowbay/pki"
STRANGE = "10.255.255.9"  # no member's


# Role -> the vault's name of its password.
PASSWORDS = {
    "postgres": "superuser", "replicator": "replication", "rewind": "rewind", "stowbay": "app",
}  # fmt: skip


def is_of(verifier, password):
    """Whether Postgres's SCRAM verifier (RFC 5803) was made of the password, which is ASCII."""
    iterations, salt, keys = (
        verifier.removeprefix("SCRAM-SHA-256$").replace("$", ":", 1).split(":", 2)
    )
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(salt), int(iterations)
    )
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    return hmac.compare_digest(base64.b64decode(keys.split(":")[0]), stored)


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def name(host):
    return host.backend.get_hostname()


@pytest.fixture
def shards(variables, name):
    """The shards with a member on this host."""
    return [s for s in variables["stowbay_shards"] if name in variables["groups"][s["group"]]]


def rest(
    host, variables, shard, path, method="GET", leaf="postgres", password=None, body=None, own=None
):
    """(HTTP status, or 000 without one; body). `own`: the address that it is asked from."""
    options = f"--interface {own} " if own else ""
    options += f"--cert {PKI}/{leaf}/cert.pem --key {PKI}/{leaf}/key.pem" if leaf else ""
    options += f" --user patroni:{password}" if password else ""
    options += f" --data '{body}'" if body else ""
    told = host.run(
        f"curl -s --max-time 10 --cacert {PKI}/ca.pem {options} -X {method} -w '\\n%{{http_code}}'"
        f" https://{variables['ansible_host']}:{shard['rest_port']}{path}"
    )
    text, _, status = told.stdout.rpartition("\n")
    return status, text


def ask(host, shard, sql, user="postgres", database="postgres"):
    return host.check_output(
        f"setpriv --reuid={user} --regid={user} --init-groups psql -XAtq -h /var/run/postgresql"
        f' -p {shard["port"]} -U {user} -d {database} -c "{sql}"'
    )


def settings(host, shard):
    return yaml.safe_load(host.check_output(f"cat /etc/patroni/{shard['name']}.yml"))


def reach(host, variables, shard, sslmode, user, password, database):
    """psql's answer over the network, from the host itself."""
    return host.run(
        f"PGPASSWORD='{password}' psql -XAt 'host={variables['ansible_host']} port={shard['port']}"
        f" sslmode={sslmode} sslrootcert={PKI}/ca.pem user={user} dbname={database}' -c 'select 1'"
    )


def test_every_member_runs_and_starts_with_the_host(host, shards):
    assert shards, "a host of this group carries a member"
    for shard in shards:
        unit = host.service(f"patroni@{shard['name']}.service")
        assert unit.is_running, shard["name"]
        assert unit.is_enabled, shard["name"]


def test_every_member_has_read_its_settings(host, shards):
    """Started or reloaded since they were written, each of several on a host."""
    for shard in shards:
        written = int(host.check_output(f"stat -c %Y /etc/patroni/{shard['name']}.yml"))
        unit = f"patroni@{shard['name']}.service"
        read = host.check_output(f"systemctl show -P StateChangeTimestamp --timestamp=unix {unit}")
        assert int(read.removeprefix("@")) >= written, shard["name"]


def test_one_leads_and_all_follow(host, variables, shards):
    for shard in shards:
        members = json.loads(rest(host, variables, shard, "/cluster")[1])["members"]
        assert {m["name"] for m in members} == set(variables["groups"][shard["group"]])
        assert [m["state"] for m in members if m["role"] == "leader"] == ["running"]
        assert {m["state"] for m in members if m["role"] != "leader"} <= {"streaming"}
        if shard.get("leader_host"):
            assert [m["name"] for m in members if m["role"] == "leader"] == [shard["leader_host"]]


def test_what_is_acknowledged_follows_the_number_of_members(host, variables, shards):
    for shard in shards:
        members = len(variables["groups"][shard["group"]])
        told = json.loads(rest(host, variables, shard, "/config")[1])
        assert told["check_timeline"] is True
        assert told["failsafe_mode"] is True
        roles = [
            m["role"] for m in json.loads(rest(host, variables, shard, "/cluster")[1])["members"]
        ]
        if members == 1:
            assert told["synchronous_mode"] is False
            assert told["synchronous_mode_strict"] is False
            continue
        assert (told["synchronous_mode"], told["synchronous_mode_strict"]) == ("quorum", True)
        assert told["synchronous_node_count"] == max(1, (members - 1) // 2)
        assert roles.count("quorum_standby") == members - 1
        if ask(host, shard, "select pg_is_in_recovery()") == "f":
            names = ask(host, shard, "show synchronous_standby_names")
            assert names.startswith(f"ANY {told['synchronous_node_count']} ("), names


def test_the_cluster_keeps_what_it_needs_to_heal(host, shards):
    for shard in shards:
        for setting, wanted in {
            "data_checksums": "on", "ssl": "on", "password_encryption": "scram-sha-256",
            "synchronous_commit": "on", "fsync": "on", "full_page_writes": "on",
            "wal_log_hints": "on", "ssl_min_protocol_version": "TLSv1.3",
        }.items():  # fmt: skip
            assert ask(host, shard, f"show {setting}") == wanted, (shard["name"], setting)
        assert ask(host, shard, "show data_directory") == f"/var/lib/postgresql/17/{shard['name']}"


def test_the_network_sees_tls_and_scram_alone(host, variables, shards):
    for shard in shards:
        rules = ask(
            host, shard, "select type, auth_method from pg_hba_file_rules where type <> 'local'"
        )
        assert set(rules.split()) == {"hostssl|scram-sha-256"}
        assert ask(host, shard, "select count(*) from pg_hba_file_rules where error <> ''") == "0"
        plain = ask(
            host,
            shard,
            "select count(*) from pg_authid where rolpassword not like 'SCRAM-SHA-256$%'",
        )
        assert plain == "0"
        held = settings(host, shard)["postgresql"]["authentication"]
        password = held["replication"]["password"]
        assert reach(host, variables, shard, "disable", "stowbay", "x", "stowbay").rc != 0
        for user in ("postgres", "prometheus"):
            told = reach(host, variables, shard, "verify-full", user, password, "postgres")
            assert "no pg_hba.conf entry" in told.stderr, user
        wrong = reach(host, variables, shard, "verify-full", "stowbay", "wrong", "stowbay")
        assert "password authentication failed" in wrong.stderr
        # Patroni asks the member beside it this way; without it a former primary never rewinds.
        assert "t" in ask(
            host, shard,
            "select exists (select from pg_hba_file_rules where address = '127.0.0.1'"
            " and database = '{replication}')",
        )  # fmt: skip


def test_a_password_is_what_the_vault_says(host, variables, shards):
    """Not what it said when the cluster was made. On a standby it is what the primary has."""
    for shard in shards:
        held = ask(
            host, shard,
            "select rolname, rolpassword from pg_authid where rolpassword is not null",
        )  # fmt: skip
        verifiers = dict(line.split("|") for line in held.splitlines())
        assert set(verifiers) == set(PASSWORDS)
        wrong = [
            role
            for role, secret in PASSWORDS.items()
            if not is_of(verifiers[role], variables[f"vault_postgres_{secret}_password"])
        ]
        assert wrong == [], shard["name"]


def test_rest_answers_certificates_of_ours_alone(host, variables, shards):
    for shard in shards:
        assert rest(host, variables, shard, "/patroni", leaf=None)[0] == "000"
        assert rest(host, variables, shard, "/patroni")[0] == "200"
        assert rest(host, variables, shard, "/patroni", leaf="metrics")[0] == "200"


def test_rest_changes_nothing_without_its_password(host, variables, shards):
    for shard in shards:
        held = settings(host, shard)["restapi"]
        assert set(held["allowlist"]) == {
            # The addresses of the members, and nobody else's.
            member["host"]
            for member in json.loads(rest(host, variables, shard, "/cluster")[1])["members"]
        }
        body = json.dumps({"loop_wait": 10})
        call = {"path": "/config", "method": "PATCH", "body": body}
        assert rest(host, variables, shard, **call)[0] == "401"
        assert rest(host, variables, shard, password="wrong", **call)[0] == "401"
        password = held["authentication"]["password"]
        assert rest(host, variables, shard, password=password, leaf=None, **call)[0] == "000"
        assert rest(host, variables, shard, password=password, **call)[0] == "200"


def test_rest_changes_nothing_for_a_host_that_is_no_member(host, variables, shards):
    """With a member's certificate and the password, too."""
    host.run_test(f"ip address add {STRANGE}/32 dev lo")
    try:
        for shard in shards:
            password = settings(host, shard)["restapi"]["authentication"]["password"]
            call = {"path": "/config", "method": "PATCH", "body": json.dumps({"loop_wait": 10})}
            call |= {"password": password, "own": STRANGE}
            assert rest(host, variables, shard, **call)[0] == "403"
            assert rest(host, variables, shard, "/patroni", own=STRANGE)[0] == "200"
    finally:
        host.run_test(f"ip address delete {STRANGE}/32 dev lo")


def test_the_appliances_database_is_the_appliances(host, shards):
    for shard in shards:
        owner = ask(
            host, shard,
            "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding) from pg_database"
            " where datname = 'stowbay'",
        )  # fmt: skip
        assert owner == "stowbay|UTF8"
        rights = ask(
            host, shard,
            "select rolsuper or rolcreatedb or rolcreaterole or rolreplication from pg_roles"
            " where rolname in ('stowbay', 'prometheus')",
        )  # fmt: skip
        assert rights.split() == ["f", "f"]


def test_the_exporter_reads_figures_by_socket(host, shards):
    for shard in shards:
        told = ask(host, shard, "select count(*) >= 0 from pg_stat_replication", "prometheus")
        assert told == "t"
        wider = ask(host, shard, "select pg_has_role('pg_monitor', 'member')", "prometheus")
        assert wider == "t"


def test_settings_are_right_and_their_owners_alone(host, shards):
    for shard in shards:
        path = f"/etc/patroni/{shard['name']}.yml"
        found = host.file(path)
        assert (found.user, found.mode) == ("postgres", 0o600)
        assert host.run(f"/usr/local/lib/stowbay/patroni-check {path}").rc == 0
        assert host.run(
            f"sed 's/^scope:.*/scope: [1]/' {path} > /run/wrong.yml;"
            " /usr/local/lib/stowbay/patroni-check /run/wrong.yml; c=$?; rm /run/wrong.yml; exit $c"
        ).failed


def test_a_member_is_confined(host, shards):
    for shard in shards:
        unit = f"patroni@{shard['name']}.service"
        told = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(told.split(":")[1].split()[0]) <= 3.0, told
