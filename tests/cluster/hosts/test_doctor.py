"""The doctor, asked on each host that has the settings: every part is found, and found well."""

import json
import os
from pathlib import Path

from tests.cluster.vault import leaks, secrets_of

testinfra_hosts = ["ansible://gateway"]

# A lab has no time servers, and sets nobody's clock.
LACKS = {"time-service.lost"}


def test_a_healthy_host(host):
    told = host.run("stowbay-admin doctor --json")
    assert told.rc in (0, 3), told.stdout
    report = json.loads(told.stdout)
    assert report["unexamined"] == []
    lines = [line for line in report["lines"] if line["code"] not in LACKS]
    assert [line for line in lines if line["level"] != "OK"] == []
    members = len(host.ansible.get_variables()["groups"]["postgres"])
    expected = {"replication.ok" if members > 1 else "replication.single"}
    expected |= {
        f"{part}.ok"
        for part in (
            "names", "tls", "https", "api", "cors", "clock", "transfer", "refusals", "database",
            "store", "cache", "gateways", "worker", "queues", "orphans", "certificates", "versions",
        )
    }  # fmt: skip
    assert expected <= {line["code"] for line in lines}


def test_a_host_without_settings_tells_what_it_can(host):
    """This one has them; they are hidden from the doctor."""
    folder = "/run/stowbay-test-doctor"
    host.check_output(f"mkdir {folder} && ln -s /etc/stowbay/figures.json {folder}/")
    try:
        told = host.run(f"STOWBAY_CONFIG={folder}/stowbay.json stowbay-admin doctor --json")
    finally:
        host.check_output(f"rm -r {folder}")
    assert told.rc in (0, 3), told.stdout
    report = json.loads(told.stdout)
    found = {line["code"] for line in report["lines"]} - LACKS
    assert "certificates.ok" in found
    in_backup = (
        host.ansible.get_variables()["inventory_hostname"]
        in (host.ansible.get_variables()["groups"]["backup"])
    )
    assert bool(found & {"backup.ok", "backup.none"}) == in_backup
    assert {each["check"] for each in report["unexamined"]} >= {"store", "database", "transfer"}


def test_what_goes_to_support_holds_no_secret(host):
    """Of the vault's secrets; the folder is the operator's alone."""
    archive = "/run/stowbay-test-support.tar.gz"
    host.check_output(f"stowbay-admin support-bundle --output {archive}")
    try:
        assert host.file(archive).mode == 0o600
        listed = host.check_output(f"tar -tzf {archive}").splitlines()
        assert any(name.endswith("manifest.json") for name in listed)
        text = host.check_output(f"tar -xzOf {archive}")
    finally:
        host.check_output(f"rm {archive}")
    secrets = secrets_of(Path(os.environ["ANSIBLE_INVENTORY"]))
    assert len(secrets) > 5
    assert leaks(text, secrets) == []
