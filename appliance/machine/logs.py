"""The parts' log files: appended to, kept within bounds, and their ends shown on failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["open_log", "shrink_log", "tail"]

ROTATE_BYTES = 16 << 20
_KEPT = 2


def open_log(path: Path) -> int:
    """A descriptor to append to, mode 0600, after moving a file that has grown too large away."""
    if path.exists() and path.stat().st_size > ROTATE_BYTES:
        _shift(path)
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def shrink_log(path: Path) -> None:
    """Bound a log that a running part holds open: copy it away and cut it to nothing.

    The part appends, so it goes on at the new end; lines written between the two steps are lost.
    """
    if path.exists() and path.stat().st_size > ROTATE_BYTES:
        _shift(path)
        shutil.copy(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)


def _shift(path: Path) -> None:
    for number in range(_KEPT, 1, -1):
        older = path.with_name(f"{path.name}.{number - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))


def tail(path: Path, lines: int = 30) -> str:
    """The last lines, indented for the terminal; at most the last 64 KiB are looked at."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 65536))
            text = handle.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return "    (it wrote nothing)"
    found = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in found) or "    (it wrote nothing)"
