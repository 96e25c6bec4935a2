"""One role on one of the lab's hosts, with other settings than the inventory's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster.places import REPOSITORY


def run_role(role: str, target: str, **settings: Any) -> None:
    done = try_role(role, target, **settings)
    assert done.returncode == 0, done.stdout


def try_role(
    role: str, target: str, *options: str, **settings: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", os.environ["ANSIBLE_INVENTORY"], REPOSITORY / "tests/cluster/role.yml"),
            *("-e", json.dumps({"role": role, "target": target, **settings})),
            *options,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
