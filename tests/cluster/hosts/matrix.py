"""The port matrix as it counts for the lab's hosts, read the way the firewall's role reads it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import yaml

from tests.cluster.port_pages import MATRIX
from tests.unit.ansible.plugins import filter_plugin

__all__ = ["address_of", "answers", "hosts_of", "listening", "opened_on", "ports"]

ports = filter_plugin("port_matrix")


def opened_on(variables: Mapping[str, Any], host: str) -> list[dict[str, Any]]:
    """The rows that `host` serves. `variables` are Ansible's of any host."""
    held = yaml.safe_load(MATRIX.read_text("utf-8"))
    rows = held["port_matrix"]
    found: list[dict[str, Any]] = ports.port_opens(
        rows, host, variables["groups"], variables, held["port_defaults"]
    )
    return found


def listening(host: Any) -> list[dict[str, Any]]:
    """Every listening socket of the host, with its unit, as the preflight sees them."""
    survey = host.ansible("stowbay_host_survey", check=False, become=True)["survey"]
    found: list[dict[str, Any]] = survey["listeners"]
    return found


def address_of(variables: Mapping[str, Any]) -> str:
    """The lab's inventories leave stowbay_address at its default, an expression here."""
    return str(variables["ansible_host"])


def hosts_of(variables: Mapping[str, Any]) -> list[str]:
    """Every host of the cluster, once: a host is in `stowbay` as often as in its children."""
    return sorted(set(variables["groups"]["stowbay"]))


def answers(address: str, port: int, seconds: float = 2.0) -> bool:
    """Whether a TCP connection from here opens. A dropped packet is silence until the timeout; a
    refusal, too, is an answer of the host, so it counts as reached."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except TimeoutError:
        return False
    except ConnectionRefusedError:
        return True
    return True
