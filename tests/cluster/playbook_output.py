"""What a playbook's output says: how each host ended, and which tasks changed something."""

from __future__ import annotations

import re

__all__ = ["changed_tasks", "recap"]

_RECAP = re.compile(r"(?m)^(\S+) +: (ok=\d+ .*)$")


def recap(output: str) -> dict[str, dict[str, int]]:
    """Each host's counts from the last lines: ok, changed, unreachable, failed ..."""
    tail = output.rpartition("PLAY RECAP")[2]
    return {
        host: {
            name: int(count) for name, _, count in (each.partition("=") for each in text.split())
        }
        for host, text in _RECAP.findall(tail)
    }


def changed_tasks(output: str) -> list[str]:
    """`task: host` for each change, in order: what to look at when there should be none."""
    found, task = [], ""
    for line in output.splitlines():
        if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
            task = heading[1]
        elif changed := re.match(r"changed: \[([^\]]+)\]", line):
            found.append(f"{task}: {changed[1]}")
    return found
