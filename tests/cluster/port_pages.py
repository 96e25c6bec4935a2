"""docs/reference/ports.md, made from ansible/ports.yml.

`python -m tests.cluster.port_pages` writes it; tests/unit/ansible/test_port_pages.py fails when it
is not what would be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["MATRIX", "PAGE", "page"]

_ROOT = Path(__file__).resolve().parents[2]
MATRIX = _ROOT / "ansible" / "ports.yml"
PAGE = _ROOT / "docs" / "reference" / "ports.md"

_HEAD = """# Ports

<!-- Made by `python -m tests.cluster.port_pages` from ansible/ports.yml. -->

Every socket a host of the cluster listens on, and who may reach it. The firewall of each host
(role `firewall`, table `inet stowbay`) is made from the same file: what isn't in the first table is
dropped, between hosts of the cluster too. Loopback, ICMP and answers always pass; nothing is
forwarded. Numbers are the defaults.

`network:` is one of `stowbay_networks`; other names are groups of the inventory; *shard* is the
group that the shard's entry in `stowbay_shards` names.
"""


def page(matrix: Mapping[str, Any]) -> str:
    """The whole page. `matrix` is ports.yml as it is parsed."""
    rows = matrix["port_matrix"]
    open_rows = [row for row in rows if row["from"]]
    closed = [row for row in rows if not row["from"]]
    lines = [_HEAD, "## Reachable from other hosts", ""]
    lines += ["| service | port | on | from | protection | what |", "| --- " * 6 + "|"]
    lines += [_row(row, matrix["port_defaults"], with_sources=True) for row in open_rows]
    lines += ["", "## On the host only", ""]
    lines += ["| service | port | on | protection | what |", "| --- " * 5 + "|"]
    lines += [_row(row, matrix["port_defaults"], with_sources=False) for row in closed]
    return "\n".join(lines) + "\n"


def _row(row: Mapping[str, Any], defaults: Mapping[str, Any], *, with_sources: bool) -> str:
    cells = [row["service"], _port(row, defaults), _groups(row["on"])]
    if with_sources:
        cells.append(_groups(row["from"]))
    what = row["what"]
    for name, values in row.get("when", {}).items():
        what += f"; with `{name}` {' or '.join(values)}"
    return f"| {' | '.join([*cells, row['tls'], what])} |"


def _port(row: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    port, proto = row.get("port"), row.get("proto", "tcp")
    if proto == "vrrp":
        return "VRRP (IP protocol 112)"
    suffix = "" if proto == "tcp" else f"/{proto}"
    return "".join(_numbers(port, defaults)) + suffix


def _numbers(port: Any, defaults: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(port, int):
        yield str(port)
    elif "var" in port:
        yield f"{defaults[port['var']]} (`{port['var']}`)"
    elif "shard" in port:
        yield f"{defaults['stowbay_shards'][0][port['shard']]} (`{port['shard']}` of the shard)"
    else:
        second = port["first"] + port.get("step", 1)
        yield f"{port['first']}, {second} … per {port['per']}"


def _groups(names: list[str]) -> str:
    shown = {"stowbay": "every host", "shard": "*shard*"}
    return ", ".join(shown.get(name, f"`{name}`") for name in names)


def main() -> None:
    PAGE.write_text(page(yaml.safe_load(MATRIX.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
