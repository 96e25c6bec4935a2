"""What the supervisor tells other commands: one small file, and a lock that only it holds."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.machine.places import write_private
from appliance.machine.process import Identity

__all__ = ["Lock", "State", "forget_state", "read_state", "write_state"]


class State(msgspec.Struct, frozen=True):
    """`phase`: starting, ready, stopping or failed. `detail` is for people."""

    supervisor: Identity
    phase: str
    detail: str = ""
    log: str = ""
    api_url: str = ""
    environment: dict[str, str] = {}  # the settings it was started with, for later commands


def write_state(folder: Path, state: State) -> None:
    write_private(folder / "state.json", msgspec.json.encode(state).decode())


def read_state(folder: Path) -> State | None:
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def forget_state(folder: Path) -> None:
    (folder / "state.json").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Lock:
    """Held from the supervisor's first step to its last; the kernel drops it when it dies."""

    path: Path

    def take(self) -> int | None:
        """A descriptor to keep open, or None when another supervisor of this instance lives."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def held(self) -> bool:
        descriptor = self.take() if self.path.exists() else None
        if descriptor is None:
            return self.path.exists()
        os.close(descriptor)
        return False
