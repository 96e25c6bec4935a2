"""The release on a host: whole, current, of root alone, and the commands that come from it."""

testinfra_hosts = ["ansible://stowbay"]

CURRENT = "/opt/stowbay/current"


def test_the_link_leads_to_a_whole_release(host):
    assert host.file(CURRENT).is_symlink
    place = host.check_output(f"readlink -f {CURRENT}")
    assert place.startswith("/opt/stowbay/releases/")
    assert host.file(f"{place}/complete").is_file
    version, _, digits = place.rpartition("/")[2].rpartition("-")
    assert len(digits) == 8
    assert version in host.check_output(f"{CURRENT}/bin/stowbay-admin --version")


def test_only_root_may_change_it(host):
    found = host.check_output(
        r"find /opt/stowbay ! -type l \( ! -user root -o -perm /022 \) -print"
    )
    assert found == ""
    assert not host.file("/opt/stowbay/wheels").exists


def test_no_release_is_half_made_and_few_are_kept(host):
    releases = host.check_output("ls /opt/stowbay/releases").split()
    assert 1 <= len(releases) <= 3
    for each in releases:
        assert host.file(f"/opt/stowbay/releases/{each}/complete").exists, each


def test_the_commands_work_for_everybody(host):
    told = host.check_output("setpriv --reuid=nobody --clear-groups stowbay --version")
    assert told in host.check_output(f"{CURRENT}/bin/stowbay --version")
    refused = host.run("setpriv --reuid=nobody --clear-groups stowbay-admin user list")
    assert refused.rc != 0, "the settings are no stranger's"
