"""What apt knows of its sources: a bundle's index is read until it was, a mirror's list fetched.

On host c1, whose own lists are put aside meanwhile: nothing in a lab could fetch them again.
"""

import hashlib
import os
from pathlib import Path

import pytest
import testinfra

from tests.cluster.hosts.one_role import run_role, try_role

LISTS, ASIDE = "/var/lib/apt/lists", "/var/lib/apt/lists-of-the-test"
PACKAGE = """Package: stowbay-nothing
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.com>
Description: known, and nowhere
Filename: ./stowbay-nothing.deb
Size: 1
SHA256: {zeroes}
"""


@pytest.fixture
def host():
    found = testinfra.get_host("ansible://c1", ansible_inventory=os.environ["ANSIBLE_INVENTORY"])
    found.check_output(f"cp --archive {LISTS} {ASIDE}")
    yield found
    found.check_output(f"sh -c 'rm -r {LISTS} && mv {ASIDE} {LISTS}'")


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """As little of one as the role bundle reads once it is verified."""
    (tmp_path / "apt").mkdir()
    packages = PACKAGE.format(zeroes="0" * 64).encode()
    (tmp_path / "apt/Packages").write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  apt/Packages\n")
    return str(tmp_path)


def known(host) -> bool:
    return bool(host.run("apt-cache show stowbay-nothing").stdout)


@pytest.mark.timeout(600)
def test_a_bundle_is_read_until_it_was_and_left_again(host, bundle):
    try:
        run_role("bundle", "c1", stowbay_bundle=bundle)
        assert known(host)
        # As a run leaves it whose update failed: the settings are there, the index isn't.
        host.check_output(f"sh -c 'rm {LISTS}/*_Packages'")
        assert not known(host)
        run_role("bundle", "c1", stowbay_bundle=bundle)
        assert known(host)
        again = try_role("bundle", "c1", stowbay_bundle=bundle)
        assert "changed=0" in again.stdout, again.stdout
    finally:
        run_role("bundle", "c1")
    # apt has its own sources again, whose lists the bundle's replaced, and no mirror answers here.
    assert not host.run("apt-get indextargets 'Created-By: Packages'").stdout
    done = try_role("os_baseline", "c1")
    assert done.returncode != 0
    assert "apt knows no package and can fetch no list" in " ".join(done.stdout.split())


@pytest.mark.timeout(300)
def test_lists_of_today_are_not_fetched_again_and_old_ones_are_missed_by_nobody(host):
    """Without a mirror, which a lab never has, a run goes on with the lists that it finds."""
    stamp = "/var/lib/apt/periodic/update-success-stamp"
    said = try_role("os_baseline", "c1")
    assert said.returncode == 0, said.stdout
    assert "Failed to update cache" not in said.stdout + said.stderr
    host.check_output(f"touch --date=yesterday {LISTS} {stamp}")
    try:
        said = try_role("os_baseline", "c1")
        assert said.returncode == 0, said.stdout
        assert "Failed to update cache" in said.stdout + said.stderr
        assert "changed=0" in said.stdout
    finally:
        host.check_output(f"touch {stamp}")
