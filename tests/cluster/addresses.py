"""The lab's network: one bridge, the controller on it, hosts c1, c2 …, one floating address."""

from __future__ import annotations

__all__ = ["BRIDGE", "CONTROLLER", "FLOATING", "PREFIX", "PUBLIC_NAME", "address", "hosts_text"]

PREFIX = 24
BRIDGE = "lab0"
CONTROLLER = "10.77.0.1"
FLOATING = "10.77.0.100"
PUBLIC_NAME = "stowbay.lab.test"


def address(host: str) -> str:
    """c1 is 10.77.0.11, c2 is 10.77.0.12, and so on to c9."""
    return f"10.77.0.{10 + int(host.removeprefix('c'))}"


def hosts_text(hosts: list[str]) -> str:
    """/etc/hosts of the controller and of every host: the lab has no DNS. A single host has no
    floating address, so there the public name is its own."""
    public = FLOATING if len(hosts) > 1 else address(hosts[0])
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{address(each)} {each}" for each in hosts]
    lines += [f"{CONTROLLER} controller", f"{public} {PUBLIC_NAME}"]
    return "\n".join(lines) + "\n"
