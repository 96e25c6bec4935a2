"""Processes told apart for certain: by number, boot and start time, never by name.

A part is started in a session of its own, so that a Ctrl-C at the terminal reaches only the
supervisor, and so that everything the part starts can be ended with it by its process group.
`setpriv --pdeathsig` makes the kernel signal the part when the supervisor dies, however it dies.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from appliance.machine.places import write_private

__all__ = [
    "Identity",
    "Records",
    "end_group",
    "identify",
    "still_runs",
    "stop_left_over",
    "with_death_signal",
]


class Identity(msgspec.Struct, frozen=True):
    """One process for certain. `started` is in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int
    boot: str
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0


class _Stat(msgspec.Struct, frozen=True):
    state: str
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name, in parentheses, may hold spaces and parentheses itself.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(state=fields[0], session=int(fields[3]), started=int(fields[19]))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(
    pid: int, stop_signal: int = signal.SIGTERM, stop_seconds: float = 10.0
) -> Identity | None:
    """None when no such process exists."""
    stat = _stat(pid)
    if stat is None:
        return None
    return Identity(pid, stat.started, _boot(), stop_signal, stop_seconds)


def still_runs(identity: Identity) -> bool:
    """False for a zombie too: it has ended, only nobody has asked for its status."""
    if identity.boot != _boot():
        return False
    stat = _stat(identity.pid)
    return stat is not None and stat.started == identity.started and stat.state not in "ZX"


def _session_members(identity: Identity) -> list[int]:
    """Living processes of the session that the part leads or led.

    When its leader's number has been given to a later process the session is another's: none.
    """
    leader = _stat(identity.pid)
    if identity.boot != _boot() or (leader is not None and leader.started != identity.started):
        return []
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _stat(int(entry.name))
            if (
                stat is not None
                and stat.session == identity.pid
                and stat.started >= identity.started
                and stat.state not in "ZX"
            ):
                members.append(int(entry.name))
    return members


def end_group(identity: Identity) -> None:
    """Kill what is left of a part's session; its leader has gone or would not."""
    for pid in _session_members(identity):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_left_over(
    identities: Mapping[str, Identity], sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Stop the parts that a dead supervisor left, asking first; the names of those that ran."""
    found = [name for name, each in identities.items() if _session_members(each)]
    for name in found:
        identity = identities[name]
        if still_runs(identity):
            with contextlib.suppress(ProcessLookupError):
                os.kill(identity.pid, identity.stop_signal)
    for name in found:
        identity = identities[name]
        deadline = time.monotonic() + identity.stop_seconds
        while _session_members(identity):
            if time.monotonic() > deadline:
                end_group(identity)
            sleep(0.05)
    return found


def with_death_signal(number: int, argv: list[str]) -> list[str]:
    """The same command, signalled when the thread that started it dies.

    The setting outlives execve but not a change of user, so a command that changes it must do
    so before (postgres.py does both in one setpriv).
    """
    name = signal.Signals(number).name.removeprefix("SIG")
    return ["setpriv", "--pdeathsig", name, "--", *argv]


class Records:
    """What runs, on disk: `NAME.pid` for people and tests, one file with identities for us."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "children.json"
        self._known: dict[str, Identity] = {}

    def load(self) -> dict[str, Identity]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Identity])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def add(self, name: str, identity: Identity) -> None:
        self._known[name] = identity
        self._write()
        write_private(self._folder / f"{name}.pid", f"{identity.pid}\n")

    def remove(self, name: str) -> None:
        self._known.pop(name, None)
        self._write()
        (self._folder / f"{name}.pid").unlink(missing_ok=True)

    def clear(self) -> None:
        for name in {*self._known, *self.load()}:
            self.remove(name)
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        write_private(self._file, msgspec.json.encode(self._known).decode())
