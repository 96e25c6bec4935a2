"""site.yml refuses hosts that aren't fit, all in one report, before it changes any.

Runs beside a lab's hosts, whether bare or converged. Nothing here uses the `host` fixture: it is
the playbook that looks.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.controller.altered import MAIN, alter, copy_of, play


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return copy_of(Path(os.environ["ANSIBLE_INVENTORY"]), tmp_path)


def test_a_host_that_does_not_answer(inventory: Path) -> None:
    def add(hosts: Any) -> None:
        hosts["stowbay"]["hosts"]["c99"] = {"ansible_host": "10.77.0.99"}

    alter(inventory / "hosts.yml", add)
    said = play(inventory, "-e", "ansible_ssh_timeout=3")
    said.assert_refused_unchanged()
    assert "c99: [reach] can't be reached" in said.line


def test_a_host_whose_name_does_not_resolve(inventory: Path) -> None:
    def rename(hosts: Any) -> None:
        for group in (hosts["stowbay"], *hosts["stowbay"]["children"].values()):
            group["hosts"]["nobody-knows-me"] = group["hosts"].pop("c1")

    def lead(variables: Any) -> None:
        for shard in variables.get("stowbay_shards", []):
            if shard["leader_host"] == "c1":
                shard["leader_host"] = "nobody-knows-me"

    alter(inventory / "hosts.yml", rename)
    alter(inventory / "group_vars/all/zz-lab.yml", lead)
    (inventory / "host_vars/c1").rename(inventory / "host_vars/nobody-knows-me")
    said = play(inventory, "-e", "stowbay_writes_hosts_file=false")
    said.assert_refused_unchanged()
    assert "nobody-knows-me" in said.line
    assert "[names]" in said.line


def test_devices_that_must_not_be_formatted(inventory: Path) -> None:
    def devices(variables: Any) -> None:
        first, second = variables["objectstore_drives"]
        variables["objectstore_devices"] = {first: "/dev/no-such-disk", second: "/dev/null"}

    alter(inventory / MAIN, devices)
    said = play(inventory)
    said.assert_refused_unchanged()
    assert "/dev/no-such-disk" in said.line
    assert "/dev/null" in said.line
    assert "[disk]" in said.line


def test_a_public_name_that_nobody_gives_an_address(inventory: Path) -> None:
    named = ("-e", "stowbay_public_name=nobody-knows.lab.test")
    said = play(inventory, *named, "-e", "stowbay_floating_address=")
    said.assert_refused_unchanged()
    assert "[names] nobody-knows.lab.test doesn't resolve" in said.line


def test_a_drive_that_is_not_mounted(inventory: Path) -> None:
    alter(inventory / MAIN, lambda held: held["objectstore_drives"].append("/srv/no-drive"))
    said = play(inventory)
    said.assert_refused_unchanged()
    assert "[objectstore] Nothing is mounted on /srv/no-drive" in said.line
    assert "Nothing is mounted on /srv/stowbay" not in said.line


def test_everything_at_once_in_one_report(inventory: Path) -> None:
    def devices(variables: Any) -> None:
        first = variables["objectstore_drives"][0]
        variables["objectstore_devices"] = {first: "/dev/no-such-disk"}

    alter(inventory / MAIN, devices)
    said = play(inventory, "-e", "preflight_memory_mb=9999999")
    said.assert_refused_unchanged()
    assert "[memory]" in said.line
    assert "/dev/no-such-disk" in said.line
    hosts = len(yaml.safe_load((inventory / "hosts.yml").read_text())["stowbay"]["hosts"])
    assert f"The hosts: {2 * hosts} to put right. Nothing was changed." in said.line
