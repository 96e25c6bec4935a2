"""Unfit hosts: each is judged, and a host of this very cluster passes, half-installed or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from .plugins import filter_plugin

hosts = filter_plugin("host_findings")

ADDRESSES = {"c1": "10.77.0.11", "c2": "10.77.0.12"}
OPENED = {
    "c1": [
        {"service": "api", "proto": "tcp", "ports": [443], "unit": "nginx.service"},
        {
            "service": "gateway",
            "proto": "tcp",
            "ports": [7101],
            "unit": "stowbay-gateway@*.service",
        },
    ],
    "c2": [],
}
EXPECTED: dict[str, Any] = {
    "name": "trio",
    "public_name": "stowbay.example.com",
    "networks": {"cluster": ["10.77.0.0/24"], "admin": ["10.9.0.0/24"]},
    "floating": "10.77.0.100/24",
    "floating_interfaces": {"c1": "host0"},
    "writes_hosts_file": True,
    "memory_mb": 1024,
    "free_mb": {"/var": 1000},
    "clock_seconds": 2,
    "clocks": {host: {"before": 5000.0, "time": 5000.1, "after": 5000.2} for host in ADDRESSES},
    "devices": {},
    "adopt": [],
}
DRIVE = "/srv/stowbay/drives/d1"


def survey(host: str) -> dict[str, Any]:
    names = {name: {"addresses": [address], "names": [name]} for name, address in ADDRESSES.items()}
    names["stowbay.example.com"] = {"addresses": ["10.77.0.100"], "names": []}
    return {
        "os": {"ID": "debian", "VERSION_ID": "13"},
        "memory_mb": 2048,
        "free_mb": {"/var": 4000},
        "names": names,
        "interfaces": [{"name": "host0", "address": f"{ADDRESSES[host]}/24"}],
        "listeners": [],
        "ssh_peers": ["10.9.0.5"],
        "devices": {},
        "marker": None,
        "data": [],
    }


def listens(port: int, unit: str) -> dict[str, Any]:
    return {"address": "::", "port": port, "proto": "tcp", "unit": unit, "process": "x"}


def judged(
    change: Callable[[dict[str, Any]], Any] = lambda seen: None, **expected: Any
) -> list[str]:
    """What is said when c1 was seen with that change; c2 is always sound."""
    seen = survey("c1")
    change(seen)
    results = {"c1": {"survey": seen}, "c2": {"survey": survey("c2")}}
    found = hosts.host_findings(results, OPENED, ADDRESSES, {**EXPECTED, **expected})
    return [f"{each['host']}|{each['check']}|{each['message']}" for each in found]


def device(**change: Any) -> dict[str, Any]:
    empty = {"exists": True, "block": True, "real": "/dev/sdb", "signatures": [], "uuids": [],
             "children": [], "mounts": []}  # fmt: skip
    return {"/dev/sdb": {**empty, **change}}


OURS = hosts.device_uuid(DRIVE, "c1", "trio")


def test_sound_hosts_give_nothing() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"os": {"ID": "debian", "VERSION_ID": "12"}}, "c1|os|runs debian 12"),
        ({"os": {"ID": "ubuntu", "VERSION_ID": "13"}}, "c1|os|runs ubuntu 13"),
        ({"memory_mb": 512}, "c1|memory|512 MB of memory, 1024 are asked for"),
        ({"free_mb": {"/var": 10}}, "c1|disk|10 MB free for /var"),
        ({"interfaces": []}, "c1|address|no interface has 10.77.0.11"),
        ({"ssh_peers": ["10.8.0.1"]}, "c1|networks|ssh comes from 10.8.0.1, no admin network"),
        ({"listeners": [listens(443, "apache2.service")]},
         "c1|ports|443/tcp (api) is taken by apache2.service"),
        ({"marker": "other"}, "c1|cluster|it belongs to the cluster 'other', not to 'trio'"),
        ({"data": [{"path": "/var/lib/etcd/default", "system": ""}]},
         "c1|cluster|/var/lib/etcd/default is data of nobody knows which cluster"),
    ],
)  # fmt: skip
def test_an_unfit_host_is_told_why(change: dict[str, Any], expected: str) -> None:
    found = judged(lambda seen: seen.update(change))
    assert any(each.startswith(expected) for each in found), found


def clocks(**own: Any) -> dict[str, Any]:
    """c1 told this; c2 is right."""
    return {"clocks": {**EXPECTED["clocks"], "c1": own}}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (4990.0, "c1|clock|its clock is at least 10 s behind the controller's"),
        (5004.2, "c1|clock|its clock is at least 4 s ahead of the controller's"),
    ],
)
def test_a_clock_is_judged_by_the_hosts_own_reading(told: float, expected: str) -> None:
    """Whatever the look at all hosts took: a resolver or a silent host may keep it for long."""
    assert judged(**clocks(before=5000.0, time=told, after=5000.2)) == [expected]


@pytest.mark.parametrize("told", [4998.0, 5000.0, 5002.2])
def test_a_clock_within_the_bound_passes(told: float) -> None:
    assert judged(**clocks(before=5000.0, time=told, after=5000.2)) == []


def test_a_clock_that_could_not_be_read() -> None:
    found = judged(**clocks(msg="date says ''"))
    assert found == ["c1|clock|its clock can't be read: date says ''"]


def test_another_interface_in_the_clusters_network() -> None:
    docker = {"name": "docker0", "address": "10.77.0.1/16"}
    found = judged(lambda seen: seen["interfaces"].append(docker))
    assert found == ["c1|networks|docker0 (10.77.0.1/16) overlaps with the cluster's network "
                     "10.77.0.0/24 on host0"]  # fmt: skip


def test_the_floating_address_on_its_holder_is_no_finding() -> None:
    held = {"name": "host0", "address": "10.77.0.100/24"}
    assert judged(lambda seen: seen["interfaces"].append(held)) == []


def test_an_edge_without_the_interface() -> None:
    found = judged(floating_interfaces={"c1": "eth9"})
    assert found == ["c1|floating address|it has no interface eth9 with an address"]


def resolves(name: str, addresses: list[str], names: list[str]) -> Callable[[dict[str, Any]], None]:
    def change(seen: dict[str, Any]) -> None:
        seen["names"][name] = {"addresses": addresses, "names": names}

    return change


def test_a_wrong_answer_is_a_finding_whoever_writes_the_hosts_file() -> None:
    for writes in (True, False):
        found = judged(resolves("c2", ["10.0.0.9"], ["c2"]), writes_hosts_file=writes)
        assert "c1|names|c2 resolves to 10.0.0.9, not to 10.77.0.12" in found
    found = judged(resolves("stowbay.example.com", ["10.77.0.11"], []))
    assert found == ["c1|names|stowbay.example.com resolves to 10.77.0.11, not to 10.77.0.100"]


def test_no_answer_is_a_finding_unless_the_role_writes_it() -> None:
    unknown = resolves("c2", [], [])
    assert judged(unknown) == []
    assert judged(unknown, writes_hosts_file=False) == [
        "c1|names|c2 doesn't resolve",
        "c1|names|10.77.0.12 resolves back to no name, not to c2",
    ]


@pytest.mark.parametrize("writes", [True, False])
def test_a_public_name_without_a_floating_address_must_resolve_to_something(writes: bool) -> None:
    def judge(addresses: list[str]) -> list[str]:
        change = resolves("stowbay.example.com", addresses, [])
        return judged(change, floating="", writes_hosts_file=writes)

    assert judge(["203.0.113.7"]) == [], "a balancer's, or an edge's behind a router"
    assert judge([]) == ["c1|names|stowbay.example.com doesn't resolve"]


def test_back_resolution_takes_full_names_and_refuses_others() -> None:
    full = resolves("c2", ["10.77.0.12"], ["c2.example.com"])
    assert judged(full, writes_hosts_file=False) == []
    wrong = resolves("c2", ["10.77.0.12"], ["c22"])
    assert judged(wrong, writes_hosts_file=False) == [
        "c1|names|10.77.0.12 resolves back to c22, not to c2"
    ]


def test_the_installers_own_loopback_line_is_forgiven_only_when_it_will_be_taken_out() -> None:
    own = resolves("c1", ["127.0.1.1"], ["c1"])
    assert judged(own) == []
    assert judged(own, writes_hosts_file=False) == [
        "c1|names|c1 resolves to 127.0.1.1, not to 10.77.0.11"
    ]


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (device(), None),
        (device(signatures=["xfs"], uuids=[OURS]), None),
        (device(signatures=["xfs"], uuids=[OURS], mounts=[DRIVE]), None),
        ({"/dev/sdb": {"exists": False}}, "there is no /dev/sdb"),
        ({"/dev/sdb": {"exists": True, "block": False}}, "is no block device"),
        (device(signatures=["ext4"], uuids=["x"]), "is not empty (ext4) and not ours"),
        (device(signatures=["xfs"], uuids=[hosts.device_uuid(DRIVE, "c1", "old")]), "not ours"),
        (device(signatures=["xfs"], uuids=[hosts.device_uuid(DRIVE, "c2", "trio")]), "not ours"),
        (device(children=["sdb1"]), "is not empty (sdb1) and not ours"),
        (device(signatures=["xfs"], uuids=[OURS], mounts=["/mnt"]), "mounted on /mnt"),
    ],
)
def test_only_empty_or_our_own_devices_pass(seen: dict[str, Any], complaint: str | None) -> None:
    found = judged(lambda survey: survey.update(devices=seen), devices={"c1": {DRIVE: "/dev/sdb"}})
    assert (complaint is None and found == []) or (complaint and complaint in found[0]), found


def test_a_device_listed_twice_whatever_it_is_called() -> None:
    seen = {**device(), "/dev/disk/by-id/x": device()["/dev/sdb"]}
    other = "/srv/stowbay/drives/d2"
    listed = {"c1": {DRIVE: "/dev/sdb", other: "/dev/disk/by-id/x"}}
    found = judged(lambda survey: survey.update(devices=seen), devices=listed)
    assert found == [f"c1|disk|/dev/sdb is listed for {DRIVE} and {other}"]


def test_devices_are_judged_before_they_are_formatted_as_in_the_report() -> None:
    def faults(**change: Any) -> list[str]:
        survey = {"devices": device(**change)}
        return list(hosts.device_faults(survey, {DRIVE: "/dev/sdb"}, "c1", "trio"))

    assert faults() == []
    assert faults(signatures=["xfs"], uuids=[OURS], mounts=[DRIVE]) == []
    assert faults(signatures=["gpt"], children=["sdb1"]) == [
        f"/dev/sdb for {DRIVE} is not empty (gpt, sdb1) and not ours. "
        "Name another device, or empty it yourself (wipefs -a)."
    ]


OTHER = "/srv/stowbay/drives/d2"


def drive_faults(one: int | None, other: int | None, *listed: str, **seen: Any) -> list[str]:
    """Of two drives on filesystems of these numbers."""
    survey = {"drives": {DRIVE: one, OTHER: other}, "fstab": [], "marker": None, **seen}
    return list(hosts.drive_faults(survey, dict.fromkeys(listed, "/dev/sdb")))


def test_a_drive_is_mounted_or_its_device_is_listed() -> None:
    assert drive_faults(64769, 64770) == []
    assert drive_faults(None, 64770, DRIVE) == []
    (told,) = drive_faults(None, 64770, OTHER)
    assert told.startswith(f"Nothing is mounted on {DRIVE}")
    (told,) = drive_faults(64769, 64769)
    assert told.startswith(f"{DRIVE}, {OTHER} are one filesystem")


def test_only_a_host_of_the_cluster_may_have_lost_a_drive() -> None:
    assert drive_faults(None, 64770, fstab=["/", DRIVE], marker="trio") == []
    assert len(drive_faults(None, 64770, fstab=["/", DRIVE])) == 1
    assert len(drive_faults(None, 64770, fstab=["/", OTHER], marker="trio")) == 1


def test_a_half_installed_host_of_this_cluster_passes() -> None:
    def change(seen: dict[str, Any]) -> None:
        seen["marker"] = "trio"
        seen["data"] = [{"path": "/var/lib/postgresql/17/shard1", "system": "7"}]
        seen["listeners"] = [
            listens(443, "nginx.service"),
            listens(7101, "stowbay-gateway@0.service"),
        ]

    assert judged(change) == []


def test_data_may_be_taken_over_by_name() -> None:
    data = [{"path": "/var/lib/etcd/default", "system": ""}]
    assert judged(lambda seen: seen.update(data=data), adopt=["c1"]) == []


def test_a_host_that_lost_its_marker_but_kept_the_clusters_data_passes() -> None:
    drive = {"path": "/srv/stowbay/drives/d1", "system": "0f3c"}
    results = {
        "c1": {"survey": {**survey("c1"), "data": [drive]}},
        "c2": {"survey": {**survey("c2"), "marker": "trio", "data": [drive]}},
    }
    assert hosts.host_findings(results, OPENED, ADDRESSES, EXPECTED) == []
    results["c2"]["survey"]["marker"] = None
    found = hosts.host_findings(results, OPENED, ADDRESSES, EXPECTED)
    assert [each["check"] for each in found] == ["cluster", "cluster"]


def test_members_of_one_shard_with_two_system_identifiers() -> None:
    results = {}
    for host, system in (("c1", "71"), ("c2", "72")):
        data = [{"path": "/var/lib/postgresql/17/shard1", "system": system}]
        results[host] = {"survey": {**survey(host), "marker": "trio", "data": data}}
    (found,) = hosts.host_findings(results, OPENED, ADDRESSES, EXPECTED)
    assert found["check"] == "cluster"
    assert "71 on c1; 72 on c2" in found["message"]


def test_silent_hosts_are_in_the_report_with_the_others() -> None:
    old = survey("c2")
    old["os"] = {"ID": "debian", "VERSION_ID": "12"}
    results = {
        "c1": {"unreachable": True, "msg": "Failed to connect\n via ssh"},
        "c2": {"survey": old},
    }
    found = hosts.host_findings(results, OPENED, ADDRESSES, EXPECTED)
    report = hosts.findings_report(found, "The hosts")
    assert report.splitlines() == [
        "The hosts: 2 to put right. Nothing was changed.",
        "c1:",
        "  [reach] can't be reached: Failed to connect via ssh. "
        "Check its name, its ssh key and its network.",
        "c2:",
        "  [os] runs debian 12. Install Debian 13.",
    ]


def test_a_host_without_python_is_in_the_report() -> None:
    found = hosts.host_findings(
        {"c1": {"module_stderr": "python3: not found"}}, OPENED, ADDRESSES, EXPECTED
    )
    assert "can't be looked at: python3: not found" in found[0]["message"]


def test_values_whose_expression_fails_count_as_missing() -> None:
    class Failing(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise RuntimeError("undefined")

    hostvars = {"c1": Failing(stowbay_address=1), "c2": {"stowbay_address": "10.77.0.12"}, "c3": {}}
    found = hosts.host_addresses(["c1", "c2", "c3"], hostvars)
    assert found == {"c1": None, "c2": "10.77.0.12", "c3": None}


def test_findings_do_not_change_what_they_judge() -> None:
    before = copy.deepcopy(EXPECTED)
    judged()
    assert before == EXPECTED


def test_what_a_part_refuses_is_told_in_its_words() -> None:
    asserted = {"failed": True, "assertion": "false", "msg": "Take three hosts."}
    assert hosts.part_findings(asserted, "c1", "objectstore", "Possible") == [
        {"host": "c1", "check": "objectstore", "message": "Take three hosts.", "remedy": ""}
    ]


def test_of_a_loop_only_what_failed_is_told() -> None:
    looped = {
        "failed": True,
        "msg": "One or more items failed",
        "results": [
            {"failed": False, "msg": "All assertions passed"},
            {"failed": True, "assertion": "false", "msg": "First."},
            {"failed": True, "assertion": "false", "msg": "Second."},
        ],
    }
    found = hosts.part_findings(looped, "c1", "objectstore", "Possible")
    assert [each["message"] for each in found] == ["First.", "Second."]


def test_a_command_that_failed_is_named_by_its_task() -> None:
    failed = {"failed": True, "msg": "non-zero return code", "stderr": "no such\n device"}
    (found,) = hosts.part_findings(failed, "c1", "edge", "Look at it")
    assert found["message"] == "Look at it: no such device"


def test_the_same_on_several_hosts_is_one_finding() -> None:
    def refused(host: str, message: str) -> dict[str, str]:
        return {"host": host, "check": "store", "message": message, "remedy": ""}

    found = hosts.told_once([refused("c2", "Same."), refused("c1", "Same."), refused("c2", "Own.")])
    assert found == [refused("c1, c2", "Same."), refused("c2", "Own.")]
    assert hosts.findings_report(found, "The hosts").splitlines()[1:] == [
        "c1, c2:", "  [store] Same.", "c2:", "  [store] Own.",
    ]  # fmt: skip
