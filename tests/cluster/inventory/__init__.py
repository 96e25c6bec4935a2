"""The Ansible inventory of a lab: every host in every group, the project's public variables.

It is a file like an operator's, written by `lab up` into the lab's folder, where the role
`secrets` puts its vault and `pki` its authority.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from typing import Any

from tests.cluster.addresses import FLOATING, PREFIX, PUBLIC_NAME, address
from tests.cluster.places import REPOSITORY, Lab

__all__ = ["GROUPS", "hosts_of", "release_folder", "variables_of", "write_inventory"]

GROUPS = (
    "edge", "gateway", "worker", "postgres", "etcd", "redis", "objectstore", "monitoring", "backup",
)  # fmt: skip
DRIVES = ["/srv/stowbay/drives/d1", "/srv/stowbay/drives/d2"]
_NETWORK = "10.77.0.0/24"


def write_inventory(lab: Lab, hosts: list[str]) -> None:
    variables = lab.inventory / "group_vars" / "all"
    variables.mkdir(parents=True)
    (lab.inventory / "hosts.yml").write_text(_text(hosts_of(lab, hosts)))
    (variables / "main.yml").write_text(_text(variables_of(lab.name, len(hosts), _minio())))
    lab.vault_password.write_text(secrets.token_urlsafe(32) + "\n")
    lab.vault_password.chmod(0o600)


def hosts_of(lab: Lab, hosts: list[str]) -> dict[str, Any]:
    everywhere: dict[str, None] = dict.fromkeys(hosts)
    groups: dict[str, Any] = {each: {"hosts": everywhere} for each in GROUPS}
    named = {each: {"ansible_host": address(each)} for each in hosts}
    shared = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(lab.ssh_key),
        "ansible_ssh_common_args": f"-F {lab.ssh_config}",
    }
    return {"all": {"children": {"stowbay": {"hosts": named, "vars": shared}} | groups}}


def variables_of(name: str, hosts: int, minio: str) -> dict[str, Any]:
    return {
        "stowbay_name": name,
        "stowbay_public_name": PUBLIC_NAME,
        "stowbay_api_port": 443,
        "stowbay_upload_port": 8444,
        "stowbay_download_port": 8445,
        "stowbay_floating_address": f"{FLOATING}/{PREFIX}" if hosts > 1 else "",
        "stowbay_floating_interface": "host0",
        "stowbay_networks": {"cluster": [_NETWORK], "admin": [_NETWORK], "clients": ["0.0.0.0/0"]},
        "stowbay_shards": [
            {
                "name": "shard1", "group": "postgres", "port": 5432, "rest_port": 8008,
                "primary_port": 5001, "replica_port": 5002,
                "first_slot": 0, "last_slot": 65535, "leader_host": "",
            },
        ],
        "objectstore_kind": "minio",
        "objectstore_drives": DRIVES,
        "objectstore_devices": {},
        "objectstore_binary": minio,
        "stowbay_release": release_folder(),
        "stowbay_state_dir": "{{ inventory_dir }}/state",
        "gateway_processes": 2,
    }  # fmt: skip


def release_folder() -> str:
    """Where `make release` puts the wheels for Debian 13's Python."""
    text = (REPOSITORY / "appliance" / "__init__.py").read_text()
    version = re.search(r'(?m)^__version__ = "(.+)"', text)
    assert version
    return str(REPOSITORY / "var" / "release" / f"stowbay-{version.group(1)}-py3.13")


def _minio() -> str:
    """The program that `make up` uses, too; built once when this machine has none."""
    code = (
        "import os; from appliance.machine.store_programs import find_minio;"
        "import sys; print(find_minio(dict(os.environ), lambda text: print(text, file=sys.stderr)))"
    )
    python = REPOSITORY / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", code], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def _text(content: dict[str, Any]) -> str:
    """JSON is YAML."""
    return "---\n" + json.dumps(content, indent=2) + "\n"
