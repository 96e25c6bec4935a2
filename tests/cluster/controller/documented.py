"""What docs/reference/ports.md promises of an inventory: who reaches which door of which host.

Read from the page alone: a test of the rules shares no code with what makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

__all__ = ["Door", "Inventory", "Way", "doors", "ways"]


class Door(NamedTuple):
    proto: str  # tcp, udp or vrrp
    port: int  # 0 for vrrp, which has none


class Way(NamedTuple):
    source: str
    target: str
    door: Door


@dataclass(frozen=True)
class Inventory:
    groups: Mapping[str, list[str]]
    addresses: Mapping[str, str]
    """Of the hosts, and of whoever else asks."""
    variables: Mapping[str, Any]


def doors(page: str, variables: Mapping[str, Any]) -> set[Door]:
    """Every door that the page names, open to others or not."""
    headings = ("Reachable from other hosts", "On the host only")
    rows = [row for heading in headings for row in _table(page, heading)]
    return {door for row in rows for door, _ in _doors(row["port"], variables)}


def ways(page: str, inventory: Inventory) -> set[Way]:
    """Every way that is open between two places; what isn't here is closed."""
    found = set()
    for row in _table(page, "Reachable from other hosts"):
        for door, shard in _doors(row["port"], inventory.variables):
            targets = {host for name in _names(row["on"], shard) for host in inventory.groups[name]}
            sources = {
                each for name in _names(row["from"], shard) for each in _members(name, inventory)
            }
            found |= {Way(a, b, door) for a in sources for b in targets if a != b}
    return found


def _table(page: str, heading: str) -> list[dict[str, str]]:
    """The rows below a heading, by the name of the column."""
    section = page.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    columns, _rule, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _doors(cell: str, variables: Mapping[str, Any]) -> Iterator[tuple[Door, str]]:
    """The doors of a cell, each with the group of the shard it belongs to, "" for no shard's."""
    numbers = [int(each) for each in re.findall(r"\b\d+\b", cell)]
    names = re.findall(r"`(\w+)`", cell)
    shards = variables["stowbay_shards"]
    if cell.startswith("VRRP"):
        yield Door("vrrp", 0), ""
    elif cell.endswith("of the shard)"):
        for shard in shards:
            yield Door("tcp", shard[names[0]]), shard["group"]
    elif cell.endswith("… per shard"):
        for number, shard in enumerate(shards):
            yield Door("tcp", numbers[0] + number * (numbers[1] - numbers[0])), shard["group"]
    elif cell.endswith("… per process"):
        for number in range(variables["gateway_processes"]):
            yield Door("tcp", numbers[0] + number * (numbers[1] - numbers[0])), ""
    elif names:
        yield Door("tcp", variables.get(names[0], numbers[0])), ""
    else:
        yield Door("udp" if cell.endswith("/udp") else "tcp", numbers[0]), ""


def _names(cell: str, shard: str) -> list[str]:
    meant = {"every host": "stowbay", "*shard*": shard}
    return [meant.get(each, each.strip("`")) for each in cell.split(", ")]


def _members(name: str, inventory: Inventory) -> list[str]:
    if not name.startswith("network:"):
        return inventory.groups[name]
    networks = inventory.variables["stowbay_networks"][name.removeprefix("network:")]
    return [
        place
        for place, address in inventory.addresses.items()
        if any(ip_address(address) in ip_network(each) for each in networks)
    ]
