"""What ports.yml means for the hosts of an inventory.

Invariant: a port that no row of the matrix opens for a host is closed there, and a row opens it
for the addresses of the groups and networks it names, and for nobody else. Loopback is always
free, so rows for loopback never become rules; they only say which listener is ours.

Pure: the matrix, `groups`, `hostvars` and a host's name in, plain data out.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


class BadMatrix(ValueError):
    """A row of ports.yml that can't be read; the message names it."""


def port_opens(
    matrix: Iterable[Row],
    host: str,
    groups: Mapping[str, Iterable[str]],
    variables: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """The matrix's rows that `host` serves, each with its `ports` as numbers and its `from` with
    `shard` replaced by the shard's group. One item per row and shard, in the matrix's order.

    `variables` are the host's own: a host may run more gateway processes than another.
    """
    opened = []
    for row in matrix:
        if not _counts(row, variables, defaults):
            continue
        for served, ports, shard_group in _expansions(row, variables, defaults):
            if any(host in groups.get(group, ()) for group in served):
                sources = [shard_group if each == "shard" else each for each in row["from"]]
                opened.append(
                    {
                        "service": row["service"],
                        "proto": row.get("proto", "tcp"),
                        "ports": ports,
                        "from": sorted(set(sources)),
                        "loopback": not row["from"] and row.get("bind") != "any",
                        "unit": row["unit"],
                    }
                )
    return opened


def port_opens_all(
    matrix: Iterable[Row],
    groups: Mapping[str, list[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    defaults: Mapping[str, Any],
) -> dict[str, list[dict[str, Any]]]:
    """port_opens of every host of the cluster, by name."""
    rows = list(matrix)
    return {
        host: port_opens(rows, host, groups, hostvars[host], defaults) for host in groups["stowbay"]
    }


def firewall_rules(
    opened: Iterable[Mapping[str, Any]],
    groups: Mapping[str, Iterable[str]],
    addresses: Mapping[str, str],
    networks: Mapping[str, Iterable[str]],
) -> list[dict[str, Any]]:
    """One rule per row that another host may reach: `v4` and `v6` are the allowed sources,
    collapsed, sorted and without overlap (nft refuses sets whose intervals overlap)."""
    rules = []
    for row in opened:
        if not row["from"]:
            continue
        sources: list[str] = []
        for each in row["from"]:
            if each.startswith("network:"):
                sources += networks[each.removeprefix("network:")]
            else:
                sources += [addresses[host] for host in groups.get(each, ())]
        parsed = [ipaddress.ip_network(source) for source in sources]
        rules.append(
            {
                "service": row["service"],
                "proto": row["proto"],
                "ports": row["ports"],
                "v4": _collapsed(net for net in parsed if net.version == 4),
                "v6": _collapsed(net for net in parsed if net.version == 6),
            }
        )
    return rules


def port_clashes(opened: Iterable[Mapping[str, Any]]) -> list[str]:
    """`9100/tcp: node exporter, gateway figures` for each port that two rows want on one host."""
    wanted: dict[tuple[int, str], list[str]] = {}
    for row in opened:
        for port in row["ports"]:
            wanted.setdefault((port, row["proto"]), []).append(row["service"])
    return [
        f"{port}/{proto}: {', '.join(services)}"
        for (port, proto), services in sorted(wanted.items())
        if len(services) > 1
    ]


def port_clashes_all(
    opened: Mapping[str, Iterable[Mapping[str, Any]]],
) -> dict[str, list[str]]:
    """port_clashes of every host that has some."""
    found = {host: port_clashes(rows) for host, rows in opened.items()}
    return {host: clashes for host, clashes in found.items() if clashes}


def port_strangers(
    listeners: Iterable[Mapping[str, Any]], opened: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What listens on a host and shouldn't: not in the matrix and reachable from outside, in it as
    loopback only but reachable, or on a port of ours held by another's unit.

    A listener is {address, port, proto, unit, process}.
    """
    rows = {(port, row["proto"]): row for row in opened for port in row["ports"]}
    strange = []
    for each in listeners:
        row = rows.get((each["port"], each["proto"]))
        inside = _is_loopback(each["address"])
        who = each["unit"] or each["process"] or "an unknown process"
        place = f"{each['address']}:{each['port']}/{each['proto']}"
        if row is None:
            if not inside:
                strange.append(f"{place} of {who} is not in the port matrix")
        elif not unit_matches(each["unit"], row["unit"]):
            strange.append(f"{place} is {row['service']}'s, but {who} holds it")
        elif row["loopback"] and not inside:
            strange.append(f"{place} of {who} ({row['service']}) belongs on loopback only")
    return strange


def unit_matches(unit: str, pattern: str) -> bool:
    """Whether a unit's name is one of the globs that `|` separates in a row's `unit`."""
    return any(fnmatch.fnmatchcase(unit, each) for each in pattern.split("|"))


def _counts(row: Row, variables: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    conditions: Mapping[str, list[Any]] = row.get("when", {})
    return all(_value(name, variables, defaults) in allowed for name, allowed in conditions.items())


def _expansions(
    row: Row, variables: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[tuple[list[str], list[int], str]]:
    """(groups that serve, ports, the shard's group or "") for each shard the row speaks of."""
    port = row.get("port")
    if row.get("proto") == "vrrp":
        return [(list(row["on"]), [], "")]
    if isinstance(port, int):
        return [(list(row["on"]), [port], "")]
    if isinstance(port, Mapping) and "var" in port:
        return [(list(row["on"]), [int(_value(port["var"], variables, defaults))], "")]
    if isinstance(port, Mapping) and port.get("per") == "process":
        count = int(_value("gateway_processes", variables, defaults))
        first, step = port["first"], port.get("step", 1)
        return [(list(row["on"]), [first + step * n for n in range(count)], "")]
    if isinstance(port, Mapping) and ("shard" in port or port.get("per") == "shard"):
        found = []
        for number, shard in enumerate(_value("stowbay_shards", variables, defaults)):
            own = (
                int(shard[port["shard"]])
                if "shard" in port
                else port["first"] + port.get("step", 1) * number
            )
            served = [shard["group"] if each == "shard" else each for each in row["on"]]
            found.append((served, [own], str(shard["group"])))
        return found
    raise BadMatrix(f"ports.yml, {row.get('service')}: port {port!r} can't be read")


def _value(name: str, variables: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    return variables[name] if name in variables else defaults[name]


def _collapsed(networks: Iterable[Any]) -> list[str]:
    """Single addresses without their prefix; `any` alone when everything is allowed."""
    found = list(ipaddress.collapse_addresses(networks))
    if any(net.prefixlen == 0 for net in found):
        return ["any"]
    return [
        str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)
        for net in found
    ]


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {
            "port_opens": port_opens,
            "port_opens_all": port_opens_all,
            "firewall_rules": firewall_rules,
            "port_clashes": port_clashes,
            "port_clashes_all": port_clashes_all,
            "port_strangers": port_strangers,
        }
