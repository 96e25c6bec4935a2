"""The parts as data: what to start, how to know that it answers, how to stop it.

A start is a list of steps in order. A step is a `Service`, which is started and then stays watched;
a `Barrier`, where all services started so far must answer before the next step; or a `Task`, which
is done once. The end of the list is a barrier. Stopping goes through the services backwards.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Barrier", "Service", "Step", "Task"]


@dataclass(frozen=True, slots=True)
class Service:
    """One long-running process.

    `ready` is asked again and again until it says yes, and may raise OSError meaning no. It must
    ask the part itself: a port that is open, or a process that is alive, is not an answer.
    `dies_with` is the signal that the kernel sends it when the supervisor is killed.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], bool]
    cwd: Path | None = None
    ready_seconds: float = 60.0
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    may_linger: bool = False  # all it acknowledged is written; past stop_seconds it only idles
    arms_itself: bool = False  # argv already holds its own --pdeathsig


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do at this point of the start; CannotStart ends the start."""

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] = field(default=lambda: None)  # done last, on every way out


@dataclass(frozen=True, slots=True)
class Barrier:
    """Services between two barriers start side by side."""


Step = Service | Task | Barrier
