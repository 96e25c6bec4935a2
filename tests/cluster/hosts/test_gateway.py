"""Gateways on hosts: their settings, their listeners, who gets through, how they are restarted."""

import json

import pytest

testinfra_hosts = ["ansible://gateway"]

PKI = "/etc/stowbay/pki"
SETTINGS = "/etc/stowbay/stowbay.json"


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def units(variables):
    return [f"stowbay-gateway@{index}.service" for index in range(variables["gateway_processes"])]


def call(host, variables, *, port=7101, leaf=None, path="/health/ready"):
    """(HTTP status, or 000 without one; body), asked on the host by its inner address."""
    address = variables.get("stowbay_address", variables["ansible_host"])
    shown = f"--cert {PKI}/{leaf}/cert.pem --key {PKI}/{leaf}/key.pem" if leaf else ""
    told = host.run(
        f"curl -sS --max-time 10 --cacert {PKI}/ca.pem {shown} -w '\\n%{{http_code}}'"
        f" https://{address}:{port}{path}"
    )
    body, _, status = told.stdout.rpartition("\n")
    return status.strip(), body


def test_files_are_their_readers_alone(host):
    for path in (SETTINGS, "/etc/stowbay/tickets.json"):
        found = host.file(path)
        assert (found.user, found.group, found.mode) == ("root", "stowbay", 0o640), path
    assert host.run(f"setpriv --reuid=nobody --clear-groups cat {SETTINGS}").rc != 0


def test_settings_trust_nobody_unseen(host, variables):
    settings = json.loads(host.check_output(f"cat {SETTINGS}"))
    for database in settings["databases"]:
        for way in ("write_dsn", "read_dsn"):
            assert " sslmode=verify-full sslrootcert=/etc/stowbay/pki/ca.pem " in database[way]
        assert "target_session_attrs=read-write" in database["write_dsn"]
    assert [each["name"] for each in settings["databases"]] == [
        shard["name"] for shard in variables["stowbay_shards"]
    ]
    assert settings["store"]["endpoint"].startswith("https://")
    assert settings["store"]["ca"] == f"{PKI}/ca.pem"
    assert settings["gateway_tls"]["client"] == "edge-inner"
    held = {settings["store"][role]["access_key"] for role in ("signer", "control", "scrub")}
    assert len(held) == 3


def test_every_process_runs_and_starts_with_the_host(host, units):
    for unit in units:
        assert host.service(unit).is_running, unit
        assert host.service(unit).is_enabled, unit
    listed = host.check_output("systemctl list-units --plain --no-legend 'stowbay-gateway@*'")
    assert len(listed.splitlines()) == len(units)


def test_units_are_shut_in_and_watched(host, units):
    for unit in units:
        told = json.loads(host.check_output(f"systemd-analyze security --json=short {unit}"))
        assert isinstance(told, list)
        line = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        exposure = float(line.split(":")[1].split()[0])
        assert exposure <= 3.0, line
        shown = host.check_output(f"systemctl show -P Type -P WatchdogUSec -P User {unit}").split()
        assert shown == ["notify", "30s", "stowbay"]


def test_it_listens_where_it_must_and_nowhere_else(host, variables, units):
    address = variables.get("stowbay_address", variables["ansible_host"])
    listed = host.check_output("ss -Hltnp")
    for index, unit in enumerate(units):
        process = host.check_output(f"systemctl show -P MainPID {unit}")
        own = {line.split()[3] for line in listed.splitlines() if f"pid={process}," in line}
        assert own == {f"{address}:{7101 + index}", f"127.0.0.1:{7201 + index}"}


def test_the_edge_s_certificate_opens_each_and_no_other_does(host, variables, units):
    for index in range(len(units)):
        port = 7101 + index
        status, body = call(host, variables, port=port, leaf="edge-inner")
        assert status == "200", body
        assert json.loads(body)["parts"] == {"database": "ok", "store": "ok", "cache": "ok"}
        assert call(host, variables, port=port)[0] == "000"
        for other in ("gateway", "metrics"):
            status, body = call(host, variables, port=port, leaf=other)
            assert (status, json.loads(body)["code"]) == ("403", "forbidden"), other


def test_a_process_keeps_its_release_when_the_link_is_switched(host, units):
    place = host.check_output("readlink -f /opt/stowbay/current")
    for unit in units:
        process = host.check_output(f"systemctl show -P MainPID {unit}")
        words = host.check_output(f"tr '\\0' ' ' < /proc/{process}/cmdline")
        assert words.startswith(f"{place}/bin/python -P -m appliance.gateway"), words


def test_nothing_is_older_than_its_settings_and_that_would_be_told(host, units):
    named = " ".join(
        f"{unit}=http://127.0.0.1:{7201 + index}/health/ready" for index, unit in enumerate(units)
    )
    roll = f"stowbay-roll --dry-run --instances-of stowbay-gateway {named}"
    assert host.check_output(roll) == ""
    before = host.check_output(f"stat -c %.9Y {SETTINGS}")
    host.check_output(f"touch {SETTINGS}")
    try:
        told = host.check_output(roll).splitlines()
    finally:
        host.check_output(f"touch -d @{before} {SETTINGS}")
    assert told == [f"restart {unit} (newer: {SETTINGS})" for unit in units]
    assert host.check_output(roll) == ""


def test_a_renewed_certificate_needs_no_restart(host, units):
    for unit in units:
        before = host.check_output(f"systemctl show -P MainPID {unit}")
        host.check_output(f"systemctl reload {unit}")
        assert host.check_output(f"systemctl show -P MainPID {unit}") == before
        assert "certificate read anew" in host.check_output(
            f"journalctl --no-pager -o cat -n 20 -u {unit}"
        )


def test_no_log_holds_a_secret(host, units):
    settings = json.loads(host.check_output(f"cat {SETTINGS}"))
    secrets = [settings["store"][role]["secret_key"] for role in ("signer", "control", "scrub")]
    secrets.append(settings["databases"][0]["write_dsn"].split(" password=")[1].split()[0])
    log = host.check_output("journalctl --no-pager -o cat -u 'stowbay-*'")
    assert log
    assert not [number for number, secret in enumerate(secrets) if secret in log]
