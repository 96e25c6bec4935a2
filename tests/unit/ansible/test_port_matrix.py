"""What ports.yml opens on which host, and which listeners are strangers."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml

from .plugins import ANSIBLE, filter_plugin

ports = filter_plugin("port_matrix")
FILE = yaml.safe_load((ANSIBLE / "ports.yml").read_text("utf-8"))
MATRIX, DEFAULTS = FILE["port_matrix"], FILE["port_defaults"]
GROUPS = (
    "edge", "gateway", "worker", "postgres", "etcd", "redis", "objectstore", "monitoring", "backup",
)  # fmt: skip
APART = {group: [f"{group}1", f"{group}2"] for group in GROUPS}
APART["stowbay"] = [host for group in GROUPS for host in APART[group]]
ADDRESSES = {host: f"10.0.0.{number}" for number, host in enumerate(APART["stowbay"], 1)}
NETWORKS = {"cluster": ["10.0.0.0/24"], "admin": ["10.9.0.0/24"], "clients": ["0.0.0.0/0", "::/0"]}


def opened(host: str, **variables: Any) -> list[dict[str, Any]]:
    return ports.port_opens(MATRIX, host, APART, variables, DEFAULTS)


def rules(host: str, **variables: Any) -> dict[str, dict[str, Any]]:
    found = ports.firewall_rules(opened(host, **variables), APART, ADDRESSES, NETWORKS)
    return {rule["service"]: rule for rule in found}


def sources(*groups: str) -> set[str]:
    return {ADDRESSES[host] for group in groups for host in APART[group]}


def test_every_row_can_be_read_and_says_what_it_is() -> None:
    groups = {*GROUPS, "stowbay", "shard"}
    for row in MATRIX:
        assert set(row) <= {
            "service", "what", "port", "proto", "on", "from", "unit", "tls", "when", "bind",
        }, row  # fmt: skip
        assert row["what"] and row["tls"] and row["unit"], row
        assert set(row["on"]) <= groups, row
        for source in row["from"]:
            assert source in groups or source.removeprefix("network:") in NETWORKS, row
    assert len({row["service"] for row in MATRIX}) == len(MATRIX)


def test_one_host_in_every_group_has_no_clash() -> None:
    alone = {group: ["c1"] for group in (*GROUPS, "stowbay")}
    found = ports.port_opens(MATRIX, "c1", alone, {"gateway_processes": 8}, DEFAULTS)
    assert ports.port_clashes(found) == []
    assert {7101, 7108} <= {port for row in found for port in row["ports"]}


def test_too_many_processes_run_into_another_services_ports() -> None:
    clashes = ports.port_clashes(opened("gateway1", gateway_processes=101))
    assert clashes == ["7201/tcp: gateway, gateway figures"]


def test_a_shard_brings_its_own_ports_to_its_own_group_only() -> None:
    second = {"name": "s2", "group": "etcd", "port": 5442, "rest_port": 8018,
              "primary_port": 5011, "replica_port": 5012}  # fmt: skip
    shards = [*DEFAULTS["stowbay_shards"], second]
    assert rules("etcd1", stowbay_shards=shards)["postgres"]["ports"] == [5442]
    assert rules("postgres1", stowbay_shards=shards)["postgres"]["ports"] == [5432]
    figures = [r for r in opened("etcd1", stowbay_shards=shards) if "exporter" in r["service"]]
    assert [r["ports"] for r in figures if r["service"].startswith("postgres")] == [[9197]]


@pytest.mark.parametrize(
    ("host", "service", "groups"),
    [
        ("gateway1", "gateway", ("edge",)),
        ("etcd2", "etcd", ("postgres", "etcd")),
        ("etcd2", "etcd peers", ("etcd",)),
        ("redis1", "redis", ("gateway", "worker", "redis")),
        ("redis1", "sentinel", ("redis",)),
        ("objectstore1", "store", ("gateway", "worker", "edge", "objectstore", "backup")),
        ("backup1", "metrics", ("monitoring",)),
        ("edge1", "floating address", ("edge",)),
    ],
)
def test_a_rule_lets_in_exactly_its_groups(
    host: str, service: str, groups: tuple[str, ...]
) -> None:
    rule = rules(host)[service]
    allowed = {str(ip) for net in rule["v4"] for ip in ip_network(net)}
    assert allowed == sources(*groups)
    assert rule["v6"] == []


def test_what_a_group_does_not_serve_it_does_not_open() -> None:
    assert set(rules("backup1")) == {"ssh", "metrics"}
    assert set(rules("edge1")) == {
        "ssh", "metrics", "api", "upload", "download", "floating address",
    }  # fmt: skip


def test_anywhere_is_one_word_and_admins_are_their_network() -> None:
    assert rules("edge1")["api"]["v4"] == rules("edge1")["api"]["v6"] == ["any"]
    assert rules("edge1")["ssh"]["v4"] == ["10.9.0.0/24"]


@pytest.mark.parametrize("service", ["api", "upload", "download"])
def test_who_asks_the_public_name_from_within_is_let_in(service: str) -> None:
    """Each edge, and the doctor on gateways and workers, wherever clients are."""
    given = {**NETWORKS, "clients": ["10.20.0.0/16"]}
    found = ports.firewall_rules(opened("edge1"), APART, ADDRESSES, given)
    allowed = next(rule["v4"] for rule in found if rule["service"] == service)
    networks = [ip_network(each) for each in allowed]
    inside = {
        host
        for host, address in ADDRESSES.items()
        if any(ip_address(address) in each for each in networks)
    }
    assert inside == {host for group in ("edge", "gateway", "worker") for host in APART[group]}
    assert ip_network("10.20.0.0/16") in networks


def test_the_figures_of_a_store_have_a_port_only_where_they_need_one() -> None:
    def names(kind: str) -> set[str]:
        return {row["service"] for row in opened("objectstore1", objectstore_kind=kind)}

    assert names("seaweedfs") - names("minio") == {"store control", "store figures"}


def test_overlapping_sources_become_one() -> None:
    given = {**NETWORKS, "clients": ["10.0.0.0/24", "10.0.0.7/32", "10.0.1.0/24"]}
    found = ports.firewall_rules(opened("edge1"), APART, ADDRESSES, given)
    assert next(r["v4"] for r in found if r["service"] == "api") == ["10.0.0.0/23"]


def test_loopback_rows_are_never_rules() -> None:
    for host in APART["stowbay"]:
        numbers = {port for rule in rules(host).values() for port in rule["ports"]}
        assert not numbers & {5001, 5002, 9010, 6479, 9100, 9113, 9121, 9187, 7201, 7290, 2381, 68}


def listener(address: str, port: int, unit: str, proto: str = "tcp") -> dict[str, Any]:
    return {"address": address, "port": port, "proto": proto, "unit": unit, "process": "x"}


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (listener("0.0.0.0", 22, "ssh.service"), None),
        (listener("127.0.0.1", 9100, "prometheus-node-exporter.service"), None),
        (listener("127.0.0.1", 40001, "anything.service"), None),
        (listener("::1", 40001, "anything.service"), None),
        (listener("10.0.0.3", 7102, "stowbay-gateway@1.service"), None),
        (listener("10.0.0.3", 68, "systemd-networkd.service", "udp"), None),
        (listener("0.0.0.0", 80, "nginx.service"), "not in the port matrix"),
        (listener("::", 9100, "prometheus-node-exporter.service"), "belongs on loopback only"),
        (listener("0.0.0.0", 7101, "apache2.service"), "apache2.service holds it"),
        (listener("0.0.0.0", 9443, "haproxy.service", "udp"), "not in the port matrix"),
    ],
)
def test_strangers(seen: dict[str, Any], complaint: str | None) -> None:
    found = ports.port_strangers([seen], opened("gateway1"))
    assert (complaint is None and found == []) or (complaint and complaint in found[0])


def test_a_row_that_cannot_be_read_names_itself() -> None:
    with pytest.raises(ports.BadMatrix, match=r"ports\.yml, odd: port 'many'"):
        ports.port_opens([{"service": "odd", "port": "many"}], "c1", {}, {}, {})
