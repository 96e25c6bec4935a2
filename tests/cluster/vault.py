"""What no output, log or foreign-readable file may hold: the values of an inventory's vault.

    python -m tests.cluster.vault INVENTORY < OUTPUT

ends with 1 and names the secrets (never their values) if the text holds any.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

__all__ = ["Secrets", "leaks", "secrets_of"]

VAULT = Path("group_vars/all/vault.yml")


class Secrets(dict[str, str]):
    """Name -> value; a failing test shows its variables, so the values stay out of its text."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"


def secrets_of(inventory: Path) -> Secrets:
    """The vault's variables; its password comes from ANSIBLE_VAULT_PASSWORD_FILE."""
    tool = Path(sys.executable).with_name("ansible-vault")
    plain = subprocess.run(
        [tool, "view", inventory / VAULT], check=True, capture_output=True, text=True
    )
    loaded = yaml.safe_load(plain.stdout)
    assert isinstance(loaded, dict)
    return Secrets(loaded)


def leaks(text: str, secrets: Secrets) -> list[str]:
    """The names of those secrets that the text holds, a ring by any line of a key in it."""
    return sorted(
        name for name, value in secrets.items() if any(part in text for part in _parts(value))
    )


def _parts(value: str) -> list[str]:
    if not value.startswith("{"):
        return [value]
    pems = [key["pem"] for key in json.loads(value)["keys"]]
    return [line for pem in pems for line in pem.splitlines()[1:-1]]


def main() -> None:
    found = leaks(sys.stdin.read(), secrets_of(Path(sys.argv[1])))
    if found:
        raise SystemExit(f"the text holds {', '.join(found)}")


if __name__ == "__main__":
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in os.environ
    main()
