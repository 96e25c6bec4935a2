"""The ground of a host: whose it is, its clock, kernel, names, disks, ssh, logs and updates."""

import pytest

from tests.cluster.hosts.matrix import address_of, hosts_of


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


def test_the_marker_says_whose_host_this_is(host, variables):
    marker = host.file("/etc/stowbay/cluster")
    assert marker.content_string == variables["stowbay_name"] + "\n"
    assert (marker.user, marker.mode) == ("root", 0o644)


def test_the_user_can_not_log_in(host):
    user = host.user("stowbay")
    assert (user.group, user.shell) == ("stowbay", "/usr/sbin/nologin")
    assert user.uid < 1000
    assert host.check_output("getent shadow stowbay").split(":")[1].startswith(("!", "*"))


def test_the_clock_is_watched(host):
    assert host.service("chrony").is_enabled
    assert host.service("chrony").is_running
    host.check_output("chronyc -n tracking")
    assert "port 0" in host.check_output("chronyd -p -f /etc/chrony/chrony.conf")


def test_every_name_resolves_both_ways(host, variables):
    for name in hosts_of(variables):
        address = host.check_output(f"getent ahostsv4 {name}").split()[0]
        assert not address.startswith("127."), name
        assert name in host.check_output(f"getent hosts {address}").split()[1:]
    own = host.check_output(f"getent ahostsv4 {variables['inventory_hostname']}").split()[0]
    assert own == address_of(variables)
    assert host.check_output("hostname") == variables["inventory_hostname"]


def test_the_kernels_settings_count(host):
    """The network's; the others are the machine's where hosts are containers, and only written."""
    text = host.file("/etc/sysctl.d/60-stowbay.conf").content_string
    wanted = dict(line.split(" = ") for line in text.splitlines()[1:])
    assert {"vm.swappiness", "fs.suid_dumpable", "net.core.somaxconn"} <= set(wanted)
    inner = {name: value for name, value in wanted.items() if name.startswith("net.")}
    seen = host.check_output(f"/usr/sbin/sysctl --values {' '.join(inner)}").split()
    assert dict(zip(inner, seen, strict=True)) == inner


def test_ssh_takes_keys_only(host):
    counts = host.check_output("sshd -T").splitlines()
    for expected in (
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitemptypasswords no",
        "permitrootlogin without-password",
        "x11forwarding no",
        "maxauthtries 4",
    ):
        assert expected in counts, expected
    host.check_output("sshd -t")


def test_a_password_is_not_even_asked_for(host):
    said = host.check_output(
        "sh -c 'ssh -o NumberOfPasswordPrompts=0 -o PubkeyAuthentication=no"
        " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1 true 2>&1"
        " || true'"
    )
    assert "Permission denied (publickey)" in said


def test_the_journal_is_capped(host):
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")
    assert "SystemMaxUse=1G" in settings
    assert host.file("/var/log/journal").is_directory
    assert host.service("systemd-journald").is_running


def test_security_updates_have_a_window_of_their_own(host, variables):
    held = host.check_output("apt-config dump")
    assert 'Unattended-Upgrade::Automatic-Reboot "false"' in held
    origins = [line for line in held.splitlines() if line.startswith("Unattended-Upgrade::Origins")]
    assert len([line for line in origins if "Debian-Security" in line]) == 1
    assert not [line for line in origins if 'label=Debian"' in line.replace(";", "")]
    assert '"patroni"' in held
    place = hosts_of(variables).index(variables["inventory_hostname"])
    at = f"OnCalendar=*-*-* {2 + place * 30 // 60:02d}:{place * 30 % 60:02d}"
    timer = host.check_output("cat /etc/systemd/system/apt-daily-upgrade.timer.d/stowbay.conf")
    assert timer.splitlines()[-4:-2] == ["OnCalendar=", at]


def test_security_updates_come_and_at_their_time(host, variables):
    for name in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert host.service(name).is_enabled, name
        assert host.service(name).is_running, name
    place = hosts_of(variables).index(variables["inventory_hostname"])
    coming = host.check_output("systemctl show -P NextElapseUSecRealtime apt-daily-upgrade.timer")
    assert coming.split()[2] == f"{2 + place * 30 // 60:02d}:{place * 30 % 60:02d}:00"


def test_drives_have_room_of_their_own(host, variables):
    if variables["inventory_hostname"] in variables["groups"]["objectstore"]:
        for place in variables["objectstore_drives"]:
            assert host.mount_point(place).exists, place


def test_no_core_is_written(host):
    assert host.check_output("su -s /bin/sh stowbay -c 'ulimit -c; ulimit -n'").split()[0] == "0"
