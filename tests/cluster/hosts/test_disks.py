"""Only listed, empty devices are formatted; what is ours is mounted again; all else is refused.

The disk is a file behind a loop device of host c1, made and taken away here.
"""

import os

import pytest
import testinfra

from tests.cluster.hosts.one_role import run_role, try_role
from tests.unit.ansible.plugins import filter_plugin

findings = filter_plugin("host_findings")

# What systemd makes of /etc/fstab at a boot, but that it believes in devices: in a container it
# passes them over. Prints the units that are made.
GENERATED = """
made=$(mktemp --directory)
unshare --mount --pid --fork sh -c 'mount -t tmpfs none /sys &&
    exec env -u container /usr/lib/systemd/system-generators/systemd-fstab-generator "$@"' \
    sh "$made" "$made" "$made" && cd "$made" && find . ! -type d -printf '%P\\n'
"""
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
    host.check_output(f"rm -rf {IMAGE} {MOUNT}")


def converge(device: str) -> None:
    run_role("os_baseline", "c1", objectstore_devices={MOUNT: device})


def judged(host, device: str) -> list[str]:
    """What the preflight says to this disk, as it is now."""
    given = f"devices={device}"
    seen = host.ansible("stowbay_host_survey", given, check=False, become=True)["survey"]
    name = host.check_output("cat /etc/stowbay/cluster")
    expected = {"name": name, "devices": {"c1": {MOUNT: device}}}
    return [message for _, message, _ in findings._devices("c1", seen, expected)]


def missing(host) -> bool:
    """Whether the store's preflight misses the drive, by what is mounted and what fstab says."""
    seen = host.ansible("stowbay_host_survey", f"drives={MOUNT}", check=False, become=True)
    return findings.drive_faults(seen["survey"], {}) != []


@pytest.mark.timeout(600)
def test_the_life_of_a_disk(host, device):
    assert judged(host, device) == [], "empty"
    assert missing(host)
    converge(device)
    mounted = host.mount_point(MOUNT)
    assert mounted.filesystem == "xfs"
    assert {"noatime", "nodev", "nosuid", "noexec"} <= set(mounted.options)
    assert host.check_output(f"grep {MOUNT} /etc/fstab").startswith("UUID=")
    unit = host.check_output(f"systemd-escape --path --suffix=mount {MOUNT}")
    boot = host.run(GENERATED).stdout.splitlines()
    assert f"local-fs.target.wants/{unit}" in boot, "a dead drive must not keep a host from booting"
    assert f"local-fs.target.requires/{unit}" not in boot
    assert [each for each in boot if each.endswith(".device.d/50-device-timeout.conf")]
    assert judged(host, device) == [], "ours"
    assert not missing(host)

    # A host that lost its system disk finds its drive again, with what is on it.
    host.check_output(f"sh -c 'echo kept > {MOUNT}/file; umount {MOUNT}'")
    bare = host.file(MOUNT)
    assert (bare.user, bare.mode) == ("root", 0), "nothing is kept in its place"
    assert not missing(host), "a host of the cluster may have lost it"
    host.check_output(f"sed -i '\\#{MOUNT}#d' /etc/fstab")
    assert missing(host)
    converge(device)
    assert host.file(f"{MOUNT}/file").content_string == "kept\n"

    # What another made is refused.
    host.check_output(f"umount {MOUNT}")
    host.check_output(f"mkfs.xfs -q -f {device}")
    assert judged(host, device) == [f"{device} for {MOUNT} is not empty (xfs) and not ours"]


def test_a_disk_with_only_a_partition_table_is_left_as_it_is(host, device):
    """Without the preflight, too: nothing on it tells a filesystem, and yet it is another's."""
    table = "bytes(446) + bytes.fromhex('00202100830b140300080000000a0000') + bytes(48) + b'U\\xaa'"
    host.check_output(f"python3 -c \"open('{device}', 'r+b').write({table})\"")
    before = host.check_output(f"sha256sum {device}")
    done = try_role("os_baseline", "c1", objectstore_devices={MOUNT: device})
    assert host.check_output(f"sha256sum {device}") == before
    assert done.returncode != 0
    assert f"{device} for {MOUNT} is not empty (dos) and not ours" in " ".join(done.stdout.split())
