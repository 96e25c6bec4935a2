"""The store's unit, of whichever kind: shut in, and closed to whoever is no member."""

from tests.cluster.hosts.matrix import address_of, answers

testinfra_hosts = ["ansible://objectstore"]

UNIT = "stowbay-store.service"
TYPES = {"minio": "notify", "seaweedfs": "simple"}


def test_it_runs_shut_in_and_starts_with_the_host(host):
    unit = host.service(UNIT)
    assert unit.is_running
    assert unit.is_enabled
    line = host.check_output(f"systemd-analyze security --no-pager {UNIT} | tail -n 1")
    assert float(line.split(":")[1].split()[0]) <= 3.0, line
    kind = host.ansible.get_variables()["objectstore_kind"]
    for setting, wanted in {"Type": TYPES[kind], "User": "stowbay-store", "LimitCORE": "0"}.items():
        assert host.check_output(f"systemctl show -P {setting} {UNIT}") == wanted, setting


def test_it_waits_for_its_drives_but_not_for_ever(host):
    drives = set(host.ansible.get_variables()["objectstore_drives"])
    assert drives <= set(host.check_output(f"systemctl show -P WantsMountsFor {UNIT}").split())
    assert not drives & set(
        host.check_output(f"systemctl show -P RequiresMountsFor {UNIT}").split()
    )


def test_the_controller_is_no_member_and_gets_no_answer(host):
    """The console's and the inner ports of either store, too."""
    address = address_of(host.ansible.get_variables())
    for port in (9000, 9001, 8333, 8888, 9333, 9340, 9888, 19333, 19888):
        assert not answers(address, port, seconds=1.0), port
