"""The Ansible inventory of a lab: one of the project's own, and a file of what differs in the lab.

inventories/single and inventories/trio are what operators copy, so these are what is tested. The
copy lies in the lab's folder, where the role `secrets` puts its vault and `pki` its authority.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.addresses import FLOATING, PREFIX, PUBLIC_NAME, address
from tests.cluster.places import REPOSITORY, Lab

__all__ = ["overrides", "release_folder", "write_inventory"]

_INVENTORIES = REPOSITORY / "ansible" / "inventories"
_NETWORK = "10.77.0.0/24"
# Each host carries a member of both, and their leaders belong on different hosts.
_SHARDS = [
    {
        "name": f"shard{number}", "group": "postgres", "leader_host": f"c{number}",
        "port": 5422 + 10 * number, "rest_port": 7998 + 10 * number,
        "primary_port": 4991 + 10 * number, "replica_port": 4992 + 10 * number,
        "first_slot": 32768 * (number - 1), "last_slot": 32768 * number - 1,
    }
    for number in (1, 2)
]  # fmt: skip


def write_inventory(lab: Lab, hosts: list[str], source: Path | None) -> None:
    """From the folder source, whose hosts are c1, c2 ...; by default the one for so many hosts."""
    source = source or _INVENTORIES / ("single" if len(hosts) == 1 else "trio")
    ignored = shutil.ignore_patterns("state", "vault.yml")
    shutil.copytree(source, lab.inventory, ignore=ignored)
    for host in hosts:
        _write(lab.inventory / "host_vars" / host / "lab.yml", _host(host))
    everywhere = lab.inventory / "group_vars"
    # Read after main.yml, so it wins.
    _write(everywhere / "all" / "zz-lab.yml", overrides(len(hosts), _minio()))
    # Not for `all`: the controller itself is a host of that group.
    _write(everywhere / "stowbay" / "lab.yml", _connection(lab))
    lab.vault_password.write_text(secrets.token_urlsafe(32) + "\n")
    lab.vault_password.chmod(0o600)


def _host(name: str) -> dict[str, Any]:
    """The second as a plain value: tests of hosts read the inventory without its expressions."""
    return {"ansible_host": address(name), "stowbay_address": address(name)}


def overrides(hosts: int, minio: str) -> dict[str, Any]:
    two_shards = {"stowbay_shards": _SHARDS} if hosts > 1 else {}
    return two_shards | {
        # All hosts share the machine's cores: etcd's usual second of silence elects without need.
        "etcd_heartbeat_ms": 500,
        "etcd_election_ms": 5000,
        "stowbay_public_name": PUBLIC_NAME,
        "stowbay_floating_address": f"{FLOATING}/{PREFIX}" if hosts > 1 else "",
        "stowbay_floating_interface": "host0",
        "stowbay_networks": {"cluster": [_NETWORK], "admin": [_NETWORK], "clients": ["0.0.0.0/0"]},
        "objectstore_binary": minio,
        "stowbay_release": release_folder(),
    }


def release_folder() -> str:
    """Where `make release` puts the wheels for Debian 13's Python."""
    text = (REPOSITORY / "appliance" / "__init__.py").read_text()
    version = re.search(r'(?m)^__version__ = "(.+)"', text)
    assert version
    return str(REPOSITORY / "var" / "release" / f"stowbay-{version.group(1)}-py3.13")


def _connection(lab: Lab) -> dict[str, Any]:
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.ssh_key),
        "ansible_ssh_common_args": f"-F {lab.ssh_config}",
    }


def _minio() -> str:
    """The program that `make up` uses, too; built once when this machine has none."""
    code = (
        "import os, sys; from appliance.machine.store_programs import find_minio;"
        "print(find_minio(dict(os.environ), lambda text: print(text, file=sys.stderr)))"
    )
    python = REPOSITORY / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def _write(file: Path, content: dict[str, Any]) -> None:
    """JSON is YAML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("---\n" + json.dumps(content, indent=2) + "\n")
