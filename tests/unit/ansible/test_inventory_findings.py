"""Bad inventories: each is told what is wrong, and all of it at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from .plugins import ANSIBLE, filter_plugin

inventory = filter_plugin("inventory_findings")
network = filter_plugin("network_findings")

HOSTS = ["c1", "c2", "c3"]
GROUPS = {group: list(HOSTS) for group in (*inventory.GROUPS, "stowbay")}
ADDRESSES = {"c1": "10.77.0.11", "c2": "10.77.0.12", "c3": "10.77.0.13"}
SHARD = {
    "name": "shard1", "group": "postgres", "port": 5432, "rest_port": 8008, "primary_port": 5001,
    "replica_port": 5002, "first_slot": 0, "last_slot": 65535, "leader_host": "",
}  # fmt: skip
GOOD: dict[str, Any] = {
    "stowbay_name": "trio",
    "stowbay_public_name": "stowbay.example.com",
    "stowbay_floating_address": "10.77.0.100/24",
    "stowbay_floating_interface": "host0",
    "stowbay_networks": {
        "cluster": ["10.77.0.0/24"], "admin": ["10.77.0.0/24"], "clients": ["0.0.0.0/0"],
    },
    "stowbay_shards": [SHARD],
    "vault_redis_password": "q8w7e6r5t4y3u2i1",
    "vault_keepalived_password": "a1b2c3d4",
}  # fmt: skip


def said(
    variables: dict[str, Any] | None = None,
    groups: dict[str, list[str]] | None = None,
    addresses: dict[str, Any] | None = None,
) -> list[str]:
    given = {**GOOD, **(variables or {})}
    grouped = {**GROUPS, **(groups or {})}
    found = inventory.inventory_findings(given, grouped)
    found += network.network_findings(given, grouped, ADDRESSES if addresses is None else addresses)
    for each in found:
        assert set(each) == {"host", "check", "message", "remedy"}
        assert all(isinstance(value, str) for value in each.values())
    return [f"{each['host']}|{each['check']}|{each['message']}" for each in found]


def shards(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"stowbay_shards": [{**SHARD, **change} for change in changes]}


def networks(**changes: list[str]) -> dict[str, Any]:
    return {"stowbay_networks": {**GOOD["stowbay_networks"], **changes}}


def test_a_sound_inventory_gives_nothing() -> None:
    assert said() == []


def test_one_host_for_all_needs_no_floating_address() -> None:
    alone = {group: ["c1"] for group in GROUPS}
    assert said({"stowbay_floating_address": ""}, alone, {"c1": "10.77.0.11"}) == []


def test_a_load_balancer_of_ones_own_needs_no_floating_address() -> None:
    assert said({"stowbay_floating_address": ""}) == []


def test_a_flat_network_and_a_wide_client_network_are_fine() -> None:
    assert said(networks(clients=["10.77.0.0/24"])) == []
    assert said(networks(clients=["10.0.0.0/8"])) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"stowbay_name": "Trio_1"}, "|name|stowbay_name is 'Trio_1'"),
        ({"stowbay_name": None}, "|name|stowbay_name is None"),
        ({"stowbay_public_name": "https://x"}, "|name|stowbay_public_name is 'https://x'"),
        ({"objectstore_kind": "ceph"}, "|store|objectstore_kind is 'ceph'"),
        ({"stowbay_api_port": "443"}, "|ports|stowbay_api_port is '443'"),
        ({"gateway_processes": 0}, "|ports|gateway_processes is 0"),
        ({"stowbay_shards": []}, "|shards|stowbay_shards is empty"),
        ({"stowbay_shards": ["one"]}, "'one' is not a shard"),
        (shards({"port": None}), "shard1 has port None"),
        (shards({"last_slot": 65536}), "shard1 has last_slot 65536"),
        (shards({"name": "Shard-1"}), "its name is 'Shard-1'"),
        (shards({"group": "pg9"}), "the group pg9, which has no host"),
        (shards({"leader_host": "c1,c2"}), "asks for two primaries"),
        (shards({"leader_host": ["c1", "c2"]}), "asks for two primaries"),
        (shards({"leader_host": "c9"}), "leader_host c9 is not in the group postgres"),
        (shards({"leader_host": "c1"}, {"leader_host": "c2"}), "named shard1: two primaries"),
        (shards({"first_slot": 1}), "|slots|no shard has the slots 0 to 0"),
        (shards({"last_slot": 9}), "|slots|no shard has the slots 10 to 65535"),
        (shards({"first_slot": 9, "last_slot": 3}), "ends (3) before it begins (9)"),
        (
            shards({"last_slot": 100}, {"name": "s2", "first_slot": 100}),
            "|slots|s2 begins at 100, but slots up to 100 are another's",
        ),
        (networks(cluster=["10.77.0.1/24"]), "has host bits set"),
        (networks(clients=["somewhere"]), "stowbay_networks.clients: 'somewhere'"),
        (networks(admin=[]), "stowbay_networks has no admin"),
        ({"stowbay_networks": None}, "stowbay_networks has no cluster"),
        (networks(admin=["10.0.0.0/8", "10.1.0.0/16"]), "10.0.0.0/8 and 10.1.0.0/16 overlap"),
        (networks(admin=["10.0.0.0/8", "10.0.0.0/8"]), "10.0.0.0/8 and 10.0.0.0/8 overlap"),
        (networks(clients=["10.77.0.128/25"]), "10.77.0.128/25 are inside the cluster's"),
        (networks(cluster=["10.78.0.0/24"]), "c1|networks|its address 10.77.0.11 is outside"),
        ({"stowbay_floating_address": "10.78.0.100/24"}, "10.78.0.100 is outside"),
        ({"stowbay_floating_address": "10.77.0.100/16"}, "has another prefix than 10.77.0.0/24"),
        ({"stowbay_floating_address": "10.77.0.12/24"}, "c2|floating address|its own address"),
        ({"stowbay_floating_address": "vip"}, "|floating address|'vip'"),
        ({"stowbay_floating_address": None}, "3 edges and no stowbay_floating_address"),
        ({"stowbay_floating_interface": ""}, "stowbay_floating_interface is not set"),
        ({"vault_redis_password": "minioadmin"}, "vault_redis_password is a known default"),
        ({"vault_redis_password": "ChangeMe"}, "vault_redis_password is a known default"),
        ({"vault_redis_password": "x8k2m4"}, "vault_redis_password is shorter than 16"),
        ({"vault_redis_password": "a" * 40}, "repeats the same few characters"),
        ({"vault_keepalived_password": "abc"}, "has not 8 characters"),
        ({"redis_password": "redis"}, "redis_password is a known default"),
        ({"patroni_rest_password": "x8k2m4"}, "patroni_rest_password is shorter than 16"),
        (
            {"objectstore_root": {"access_key": "q8w7e6r5t4y3u2i1", "secret_key": "minioadmin"}},
            "objectstore_root.secret_key is a known default",
        ),
        (
            {"objectstore_credentials": {"edge": {"secret_key": "b" * 40}}},
            "objectstore_credentials.edge.secret_key repeats the same few characters",
        ),
    ],
)
def test_a_bad_variable_is_named(variables: dict[str, Any], expected: str) -> None:
    assert any(expected in each for each in said(variables)), said(variables)


@pytest.mark.parametrize("group", inventory.GROUPS)
def test_a_missing_group_is_named(group: str) -> None:
    without = {name: hosts for name, hosts in GROUPS.items() if name != group}
    found = inventory.inventory_findings(GOOD, without)
    assert f"the group {group} is missing" in [each["message"] for each in found]
    assert any(f"the group {group} has no host" in each for each in said(groups={group: []}))


@pytest.mark.parametrize(
    ("group", "count", "refused"),
    [
        ("etcd", 1, False), ("etcd", 2, True), ("etcd", 3, False), ("etcd", 4, True),
        ("redis", 1, False), ("redis", 2, True), ("redis", 3, False), ("redis", 4, True),
        ("postgres", 1, False), ("postgres", 2, True), ("postgres", 3, False),
        ("postgres", 4, False),
    ],
)  # fmt: skip
def test_numbers_that_cannot_vote(group: str, count: int, refused: bool) -> None:
    hosts = [f"c{n}" for n in range(1, count + 1)]
    found = said(groups={group: hosts, "stowbay": [*HOSTS, "c4"]})
    assert any("|voters|" in each for each in found) == refused, found


def test_a_host_outside_stowbay_is_named() -> None:
    assert "c9|groups|it is in worker but not in stowbay" in said(groups={"worker": ["c9"]})


def test_a_shards_hosts_are_postgres_hosts() -> None:
    groups = {"pg2": ["c4"], "stowbay": [*HOSTS, "c4"]}
    found = said(shards({"group": "pg2"}), groups)
    assert "c4|shards|it carries shard1 but is not in the group postgres" in found


@pytest.mark.parametrize("wrong", [None, "c1.example.com", "10.77.0.300"])
def test_an_address_is_an_address(wrong: Any) -> None:
    found = said(addresses={**ADDRESSES, "c2": wrong})
    assert f"c2|networks|its stowbay_address is {wrong!r}" in found


def test_two_hosts_with_one_address() -> None:
    found = said(addresses={**ADDRESSES, "c3": "10.77.0.11"})
    assert found == ["c3|networks|10.77.0.11 is also c1's"]


def test_everything_wrong_is_said_at_once_and_no_secret_with_it() -> None:
    found = said(
        {
            "stowbay_name": "",
            "stowbay_networks": 7,
            "stowbay_shards": {},
            "vault_redis_password": "postgres",
            "vault_admin_password": "s3cr3t",
        },
        {"etcd": ["c1", "c2"], "redis": []},
    )
    checks = {each.split("|")[1] for each in found}
    assert {"name", "networks", "shards", "secrets", "voters", "groups"} <= checks
    assert "s3cr3t" not in " ".join(found)


class Unresolved(dict[str, Any]):
    """As Ansible's: an expression is resolved when it is looked at."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value == "{{ nothing }}":
            raise RuntimeError("undefined")
        return value


def judged(hostvars: dict[str, dict[str, Any]]) -> list[str]:
    variables = inventory.judged_variables(hostvars, hostvars)
    each = [inventory.inventory_findings(held, GROUPS) for held in variables.values()]
    return [f"{e['host']}|{e['message']}" for e in inventory.of_hosts(each, variables)]


def test_every_hosts_variables_are_judged_and_what_is_everywhere_is_told_once() -> None:
    everywhere = {**GOOD, "stowbay_name": "The Cluster"}
    another = {**everywhere, "redis_password": "redis", "gateway_processes": 0}
    assert judged({"c1": everywhere, "c2": everywhere, "c3": another}) == [
        "|stowbay_name is 'The Cluster'",
        "c3|gateway_processes is 0",
        "c3|redis_password is a known default",
    ]
    assert judged({"c1": GOOD, "c2": another, "c3": another})[0] == (
        "c2, c3|stowbay_name is 'The Cluster'"
    )


def test_a_variable_that_cannot_be_resolved_counts_as_missing() -> None:
    inner = Unresolved(secret_key="{{ nothing }}")
    held = Unresolved(GOOD, stowbay_public_name="{{ nothing }}", objectstore_root=inner, other=1)
    assert judged({"c1": GOOD, "c2": held}) == ["c2|stowbay_public_name is None"]


def test_every_secret_that_a_roles_default_takes_from_the_vault_is_judged() -> None:
    taken = {
        name
        for file in (ANSIBLE / "roles").glob("*/defaults/main.yml")
        for name, value in (yaml.safe_load(file.read_text()) or {}).items()
        if "vault_" in str(value)
    }
    assert taken == inventory.ROLES_SECRETS


def test_findings_do_not_change_what_they_judge() -> None:
    before = copy.deepcopy((GOOD, GROUPS))
    said()
    assert before == (GOOD, GROUPS)


def test_clashes_are_findings_of_their_host() -> None:
    (found,) = inventory.clash_findings({"c1": ["7201/tcp: gateway, gateway figures"]})
    assert (found["host"], found["check"]) == ("c1", "ports")
    assert "7201/tcp" in found["message"]
