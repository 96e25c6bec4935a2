"""MinIO on hosts: its listener, its credentials, its encryption, its erasure sets."""

import base64
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.controller.altered import play
from tests.cluster.hosts.matrix import address_of
from tests.cluster.hosts.one_role import try_role

testinfra_hosts = ["ansible://objectstore"]

PROBE = (Path(__file__).parent / "store_probe.py").read_text("utf-8")
ROLES = ("signer", "control", "edge", "scrub", "backup")
UNIT = "stowbay-store.service"
ENV = "/etc/stowbay/store/store.env"


@pytest.fixture(scope="module")
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture(scope="module")
def address(variables):
    return address_of(variables)


@pytest.fixture(scope="module")
def environ(host):
    """Of the running process, not of a file."""
    process = host.check_output(f"systemctl show -P MainPID {UNIT}")
    lines = host.check_output(f"tr '\\0' '\\n' < /proc/{process}/environ").splitlines()
    return dict(line.split("=", 1) for line in lines)


def probe(host, variables, act, **more):
    """What store_probe.py prints; secrets go by standard input."""
    roles = ("root", *ROLES)
    arguments = {
        "act": act,
        "endpoint": f"https://{address_of(variables)}:9000",
        "ca": "/etc/stowbay/pki/ca.pem",
        "region": "us-east-1",
        "bucket": "stowbay",
        "credentials": {
            role: [variables[f"vault_store_{role}_{half}_key"] for half in ("access", "secret")]
            for role in roles
        },
        **more,
    }
    script, given = (
        base64.b64encode(each.encode()).decode() for each in (PROBE, json.dumps(arguments))
    )
    run = f"import base64; exec(base64.b64decode('{script}'))"
    told = host.run(f'echo {given} | base64 -d | /opt/stowbay/current/bin/python -c "{run}"')
    assert told.rc == 0, told.stderr[-2000:]
    return json.loads(told.stdout)


def test_it_listens_on_one_port_of_the_inner_address_and_loopback(host, address):
    process = host.check_output(f"systemctl show -P MainPID {UNIT}")
    listed = host.check_output("ss -Hltunp").splitlines()
    own = {line.split()[4] for line in listed if f"pid={process}," in line}
    assert own == {f"{at}:9000" for at in (address, "127.0.0.1", "[::1]")}


def test_there_is_no_console(host, variables):
    found = probe(host, variables, "anonymous", paths=["/", "/login", "/minio/", "/browser"])
    for path, (status, at) in found.items():
        assert status in (400, 403, 404), (path, status)
        assert ":9000/" in at, at


def test_nobody_in_particular_reads_writes_or_administers(host, variables):
    paths = [
        "/stowbay",
        "/stowbay?list-type=2",
        "/minio/admin/v3/info",
        "/minio/admin/v3/list-users",
    ]
    found = probe(host, variables, "anonymous", paths=paths)
    assert {status for status, _ in found.values()} == {403}, found


def test_no_credential_administers_root_least_of_all(host, variables):
    found = probe(host, variables, "admin")
    assert set(found) == {"root", *ROLES}
    for role, codes in found.items():
        assert set(codes) <= {"401", "403"}, (role, codes)


def test_each_credential_does_its_own_work_and_root_none(host, variables):
    found = probe(host, variables, "rights")
    assert found.pop("edge from elsewhere") == "AccessDenied"
    allowed = {
        role: {what for what, code in codes.items() if code == "allowed"}
        for role, codes in found.items()
    }
    assert allowed == {
        "root": set(),
        "signer": {"put"},
        "control": {"list", "get", "put", "delete"},
        "edge": {"get"},
        "scrub": {"list", "get"},
        "backup": {"list", "get"},
    }


def test_what_is_on_the_drives_is_encrypted(host, variables):
    kept = probe(host, variables, "store")
    drives = " ".join(variables["objectstore_drives"])
    try:
        assert [how for _, how in kept["objects"]] == ["AES256", "AES256"]
        key = kept["objects"][1][0]
        assert host.check_output(f"find {drives} -path '*{key}*' -name xl.meta")
        found = host.run(f"grep -rlF {kept['marker']} {drives}")
        assert (found.rc, found.stdout) == (1, "")
    finally:
        probe(host, variables, "remove", keys=[key for key, _ in kept["objects"]])


def test_the_key_is_the_vaults_and_on_another_volume_than_the_data(host, variables, environ):
    assert environ["MINIO_KMS_SECRET_KEY"] == f"stowbay:{variables['vault_store_kms_key']}"
    found = host.file(ENV)
    assert (found.user, found.mode) == ("root", 0o600)
    volumes = host.check_output(f"stat -c %d {ENV} {' '.join(variables['objectstore_drives'])}")
    own, *drives = volumes.split()
    assert own not in drives
    for drive in variables["objectstore_drives"]:
        place = host.file(drive)
        assert (place.user, place.mode) == ("stowbay-store", 0o700)


def test_root_is_off_and_unfinished_uploads_are_left_to_stowbay(environ):
    assert environ["MINIO_API_ROOT_ACCESS"] == "off"
    assert environ["MINIO_BROWSER"] == "off"
    assert environ["MINIO_KMS_AUTO_ENCRYPTION"] == "on"
    assert environ["MINIO_API_STALE_UPLOADS_EXPIRY"] == "8760h"


def test_erasure_sets_lie_evenly_over_the_hosts(host, variables):
    hosts, drives = sorted(set(variables["groups"]["objectstore"])), variables["objectstore_drives"]
    formats = [
        json.loads(host.check_output(f"cat {each}/.minio.sys/format.json")) for each in drives
    ]
    assert len({each["id"] for each in formats}) == 1
    sets = formats[0]["xl"]["sets"]
    assert sum(map(len, sets)) == len(hosts) * len(drives)
    own = {each["xl"]["this"] for each in formats}
    # As many of each set here as of any other host: one host lost takes the same from each.
    assert Counter(len(own & set(each)) for each in sets) == {len(sets[0]) // len(hosts): len(sets)}


def test_all_drives_are_online_and_a_host_can_be_spared(host, variables, address):
    told = host.check_output(
        f"curl -sS --cacert /etc/stowbay/pki/ca.pem https://{address}:9000/minio/v2/metrics/cluster"
    )
    figures = {
        line.split("{")[0].split(" ")[0]: float(line.rsplit(" ", 1)[1])
        for line in told.splitlines()
        if line and not line.startswith("#")
    }
    hosts, drives = (
        len(set(variables["groups"]["objectstore"])),
        len(variables["objectstore_drives"]),
    )
    assert figures["minio_cluster_drive_online_total"] == hosts * drives
    assert figures["minio_cluster_drive_offline_total"] == 0
    if hosts > 1:
        assert figures["minio_cluster_write_quorum"] <= (hosts - 1) * drives


def test_only_the_store_reads_its_key_and_certificate(host):
    for path in (ENV, "/etc/stowbay/pki/store/key.pem"):
        assert host.run(f"setpriv --reuid=nobody --clear-groups cat {path}").rc != 0, path


def test_a_renewed_certificate_needs_no_restart(host, address):
    before = host.check_output(f"systemctl show -P MainPID {UNIT}")
    host.check_output(f"systemctl reload {UNIT}")
    ready = f"https://{address}:9000/minio/health/ready"
    host.check_output(f"curl -sSf --cacert /etc/stowbay/pki/ca.pem {ready}")
    assert host.check_output(f"systemctl show -P MainPID {UNIT}") == before


def test_nothing_changes_that_its_equals_do_not_hear_of(host, variables):
    """With hosts of the store left out, other settings would keep this one from its next start."""
    name = variables["inventory_hostname"]
    before = host.check_output(f"sha256sum {ENV}")
    done = try_role("objectstore", name, objectstore_elsewhere=["c9"], objectstore_region="other")
    assert done.returncode != 0
    assert "run without --limit. Left out are c9." in " ".join(done.stdout.split())
    assert host.check_output(f"sha256sum {ENV}") == before
    same = try_role("objectstore", name, objectstore_elsewhere=["c9"])
    assert same.returncode == 0, same.stdout
    assert "changed=0" in same.stdout


def test_a_program_that_was_replaced_is_not_run_on(host, variables):
    """By a package, too, whose files are older than the process. A dry run is asked."""
    program = host.check_output(f"readlink /proc/$(systemctl show -P MainPID {UNIT})/exe")
    host.check_output(f"mv {program} {program}.aside && cp --preserve {program}.aside {program}")
    try:
        inventory, name = Path(os.environ["ANSIBLE_INVENTORY"]), variables["inventory_hostname"]
        said = play(inventory, "--check", "--tags", "objectstore", "--limit", name, seconds=280)
    finally:
        host.check_output(f"mv {program}.aside {program}")
    assert said.code == 0, said.text
    assert "RUNNING HANDLER [objectstore : Stop the store]" in said.text


def test_no_log_holds_a_secret(host, variables):
    log = host.check_output(f"journalctl --no-pager -o cat -u {UNIT}")
    assert log
    names = [f"vault_store_{role}_secret_key" for role in ("root", *ROLES)]
    assert [name for name in (*names, "vault_store_kms_key") if variables[name] in log] == []
