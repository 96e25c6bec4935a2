"""Inventories with one thing wrong, and what site.yml says to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.places import REPOSITORY

__all__ = ["ANSIBLE", "MAIN", "VAULT", "Said", "alter", "copy_of", "play", "put_vault"]

ANSIBLE = REPOSITORY / "ansible"
MAIN = Path("group_vars/all/main.yml")
VAULT = Path("group_vars/all/vault.yml")


@dataclass(frozen=True)
class Said:
    code: int
    text: str

    @property
    def line(self) -> str:
        """The text as one line: Ansible breaks messages where it likes."""
        return " ".join(self.text.split())

    def assert_refused_unchanged(self) -> None:
        """It failed, no task changed a host, and no trace of Python shows.

        On the controller, shown as `changed: [c1 -> localhost]`, a vault may have been made.
        """
        assert self.code != 0, self.text
        assert not re.search(r"changed: \[[^]>]+\]", self.text), self.text
        assert "PLAY [The ground]" not in self.text
        assert "Traceback" not in self.text


def copy_of(inventory: Path, folder: Path) -> Path:
    """A copy to alter, without the cluster's state."""
    copy = folder / "inventory"
    shutil.copytree(inventory, copy, ignore=shutil.ignore_patterns("state"))
    return copy


def alter(file: Path, change: Callable[[Any], object]) -> None:
    held = json.loads(json.dumps(yaml.safe_load(file.read_text())))  # an alias is one object
    change(held)
    file.write_text(yaml.safe_dump(held))


def put_vault(inventory: Path, password_file: Path, variables: dict[str, str]) -> Path:
    """Seal these variables in the inventory's vault."""
    vault = inventory / VAULT
    vault.write_text(yaml.safe_dump(variables))
    command = ["encrypt", "--vault-password-file", str(password_file), str(vault)]
    subprocess.run([_tool("ansible-vault"), *command], check=True, capture_output=True)
    return vault


def play(
    inventory: Path,
    *arguments: str,
    password_file: Path | None = None,
    playbook: str = "site.yml",
    seconds: float = 180,
) -> Said:
    """Run the playbook. The password file is the environment's when none is given."""
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    if password_file:
        environment["ANSIBLE_VAULT_PASSWORD_FILE"] = str(password_file)
    done = subprocess.run(
        [_tool("ansible-playbook"), "-i", inventory, ANSIBLE / playbook, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
        timeout=seconds,
    )
    return Said(done.returncode, done.stdout)


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)
