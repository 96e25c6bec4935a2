"""Only listed, empty devices are formatted; what is ours is mounted again; all else is refused.

The disk is a file behind a loop device of host c1, made and taken away here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import testinfra

from tests.cluster.places import REPOSITORY

IMAGE, MOUNT = "/root/stowbay-test-disk", "/srv/stowbay-test-drive"


@pytest.fixture
def host():
    return testinfra.get_host("ansible://c1", ansible_inventory=os.environ["ANSIBLE_INVENTORY"])


@pytest.fixture
def device(host):
    host.check_output(
        "sh -c 'test -e /dev/loop-control || mknod /dev/loop-control c 10 237;"
        " for n in 0 1 2 3 4 5 6 7; do test -e /dev/loop$n || mknod /dev/loop$n b 7 $n; done'"
    )
    host.check_output(f"truncate -s 400M {IMAGE}")
    name = host.check_output(f"losetup --find --show {IMAGE}")
    yield name
    host.run(f"umount {MOUNT}")
    host.run(f"sed -i '\\#{MOUNT}#d' /etc/fstab")
    host.check_output(f"losetup --detach {name}")
    host.check_output(f"rm -r {IMAGE} {MOUNT}")


def play(role: str, device: str) -> subprocess.CompletedProcess[str]:
    overrides = {"role": role, "target": "c1", "objectstore_devices": {MOUNT: device}}
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", os.environ["ANSIBLE_INVENTORY"], REPOSITORY / "tests/cluster/role.yml"),
            *("-e", json.dumps(overrides)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stdout.split())


def test_the_life_of_a_disk(host, device):
    made = play("os_baseline", device)
    assert made.returncode == 0, made.stdout
    assert host.mount_point(MOUNT).filesystem == "xfs"
    assert {"noatime", "nodev", "nosuid", "noexec"} <= set(host.mount_point(MOUNT).options)
    line = host.check_output(f"grep {MOUNT} /etc/fstab")
    assert line.startswith("UUID="), line

    host.check_output(f"sh -c 'echo kept > {MOUNT}/file'")
    again = play("os_baseline", device)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in said(again)
    fit = play("preflight", device)
    assert fit.returncode == 0, fit.stdout

    # A host that lost its system disk finds its drive again.
    host.check_output(f"umount {MOUNT}")
    host.check_output(f"sed -i '\\#{MOUNT}#d' /etc/fstab")
    mounted = play("os_baseline", device)
    assert mounted.returncode == 0, mounted.stdout
    assert host.file(f"{MOUNT}/file").content_string == "kept\n"

    # What another made is refused before anything changes, and stays as it is.
    host.check_output(f"umount {MOUNT}")
    host.check_output(f"mkfs.xfs -q -f {device}")
    before = host.check_output(f"wipefs --no-act --json {device}")
    refused = play("preflight", device)
    assert refused.returncode != 0
    assert f"{device} for {MOUNT} is not empty (xfs) and not ours" in said(refused)
    assert host.check_output(f"wipefs --no-act --json {device}") == before
