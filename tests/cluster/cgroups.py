"""A cgroup per host. Without it all hosts would share one tree, and a service's cgroup would hold
processes of several hosts. On a hybrid machine systemd needs one in both its hierarchies."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["make", "remove_all"]

_ROOT = Path("/sys/fs/cgroup")


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [_ROOT / "unified", _ROOT / "systemd"]


def make(lab: str, host: str) -> list[Path]:
    """The host's fresh cgroups; a process enters one by writing its pid to cgroup.procs."""
    made = [each / f"stowbay-lab-{lab}" / host for each in _hierarchies()]
    for each in made:
        _remove(each)
        each.mkdir(parents=True, exist_ok=True)
    return made


def remove_all(lab: str) -> None:
    """What a killed lab leaves: empty cgroups. One that isn't empty stays."""
    for each in _hierarchies():
        _remove(each / f"stowbay-lab-{lab}")


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for child in [each for each in folder.iterdir() if each.is_dir()]:
            _remove(child)
        with contextlib.suppress(OSError):
            folder.rmdir()
