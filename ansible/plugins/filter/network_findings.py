"""What is wrong with an inventory's networks and addresses, said before any host is contacted.

Invariant: as inventory_findings. A cluster's network may be the clients' too (a flat network), or
lie within it, but clients are never a part of the cluster's network: the firewall could not tell
them from hosts of the cluster that are yet to come.

Pure: variables, groups and addresses in, findings out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

Finding = dict[str, str]


def network_findings(
    variables: Mapping[str, Any],
    groups: Mapping[str, list[str]],
    addresses: Mapping[str, Any],
) -> list[Finding]:
    """`addresses` is each host's stowbay_address, None where it has none."""
    found = [*_networks(variables, addresses), *_floating(variables, groups, addresses)]
    return [dict(zip(("host", "check", "message", "remedy"), each, strict=True)) for each in found]


def _networks(
    variables: Mapping[str, Any], addresses: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    given = variables.get("stowbay_networks")
    parsed: dict[str, list[Any]] = {}
    for name in ("cluster", "admin", "clients"):
        listed = given.get(name) if isinstance(given, Mapping) else None
        if not isinstance(listed, list) or not listed:
            yield (
                "", "networks", f"stowbay_networks has no {name}",
                "List its networks, e.g. [10.0.0.0/24].",
            )  # fmt: skip
            continue
        parsed[name] = []
        for each in listed:
            try:
                parsed[name].append(ipaddress.ip_network(str(each)))
            except ValueError as wrong:
                yield (
                    "", "networks", f"stowbay_networks.{name}: {wrong}",
                    "Write the network's first address and its prefix, e.g. 10.0.0.0/24.",
                )  # fmt: skip
        yield from _overlaps(name, parsed[name])
    for client in parsed.get("clients", ()):
        for inner in parsed.get("cluster", ()):
            # Around the cluster's network (10.0.0.0/8, 0.0.0.0/0) or the same: a flat network.
            if client.prefixlen > inner.prefixlen and _overlap(client, inner):
                yield (
                    "", "networks", f"clients {client} are inside the cluster's {inner}",
                    "Keep clients out of the cluster's network, or give both the same one.",
                )  # fmt: skip
    seen: dict[str, str] = {}
    for host, value in addresses.items():
        address = _address(value)
        if address is None:
            yield (
                host, "networks", f"its stowbay_address is {value!r}",
                "Set stowbay_address to the IP address of the host in the cluster's network.",
            )  # fmt: skip
            continue
        if str(address) in seen:
            yield (
                host, "networks", f"{address} is also {seen[str(address)]}'s",
                "Give each host an address of its own.",
            )  # fmt: skip
        seen[str(address)] = host
        if "cluster" in parsed and not any(address in net for net in parsed["cluster"]):
            yield (
                host, "networks", f"its address {address} is outside stowbay_networks.cluster",
                "Correct the address or the network.",
            )  # fmt: skip


def _overlaps(name: str, networks: list[Any]) -> Iterator[tuple[str, str, str, str]]:
    for number, one in enumerate(networks):
        for other in networks[number + 1 :]:
            if _overlap(one, other):
                yield (
                    "", "networks", f"stowbay_networks.{name}: {one} and {other} overlap",
                    "List each address once.",
                )  # fmt: skip


def _floating(
    variables: Mapping[str, Any], groups: Mapping[str, list[str]], addresses: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    given = variables.get("stowbay_floating_address")
    edges = groups.get("edge", [])
    if not given:
        if len(edges) > 1 and given is None:
            yield (
                "", "floating address", f"{len(edges)} edges and no stowbay_floating_address",
                'Set one, or "" with a load balancer of your own before the edges.',
            )  # fmt: skip
        return
    try:
        floating = ipaddress.ip_interface(str(given))
    except ValueError as wrong:
        yield ("", "floating address", str(wrong), "Write it with its prefix: 10.0.0.100/24.")
        return
    networks = variables.get("stowbay_networks")
    cluster = networks.get("cluster") if isinstance(networks, Mapping) else None
    inside = [net for net in map(_network, cluster or ()) if net and floating.ip in net]
    if cluster and not inside:
        yield (
            "", "floating address", f"{floating.ip} is outside stowbay_networks.cluster",
            "Choose a free address of the edges' network.",
        )  # fmt: skip
    for net in inside:
        if floating.network.prefixlen not in (net.prefixlen, net.max_prefixlen):
            yield (
                "", "floating address", f"{given} has another prefix than {net}",
                f"Write {floating.ip}/{net.prefixlen}.",
            )  # fmt: skip
    for host, value in addresses.items():
        if _address(value) == floating.ip:
            yield (
                host, "floating address", f"its own address is the floating one, {floating.ip}",
                "Choose a free address.",
            )  # fmt: skip
    if not variables.get("stowbay_floating_interface"):
        yield (
            "", "floating address", "stowbay_floating_interface is not set",
            "Name the edges' interface that carries it, e.g. eth0.",
        )  # fmt: skip


def _address(value: Any) -> Any:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        return None


def _network(value: Any) -> Any:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError:
        return None


def _overlap(one: Any, other: Any) -> bool:
    return bool(one.version == other.version and one.overlaps(other))


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"network_findings": network_findings}
