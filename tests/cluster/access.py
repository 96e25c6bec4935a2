"""How the controller gets into a lab's hosts: a key of the lab's own, and their known host keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cluster.addresses import address
from tests.cluster.places import Lab

__all__ = ["write_access"]


def write_access(lab: Lab, base: Path, hosts: list[str]) -> None:
    """`ssh -F CONFIG c1` works in the lab. All hosts have the base image's host key."""
    lab.ssh_key.parent.mkdir(mode=0o700)
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(lab.ssh_key)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    key = " ".join((base / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])
    lab.known_hosts.write_text("".join(f"{each},{address(each)} {key}\n" for each in hosts))
    lab.ssh_config.write_text(
        f"Host *\n  User root\n  IdentityFile {lab.ssh_key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {lab.known_hosts}\n  StrictHostKeyChecking yes\n"
    )
