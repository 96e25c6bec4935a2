"""Starts the parts in order, keeps them running, and stops them backwards.

Invariants: a part is started only when all before its last barrier have answered; whatever way
`run` ends, no part is left running; a part is started again when it dies, until it has died five
times within a minute, which stops everything. Only `run`'s thread starts processes: the kernel's
death signal is tied to the thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.machine.failure import CannotStart
from appliance.machine.logs import open_log, shrink_log
from appliance.machine.process import Identity, Records, end_group, identify, with_death_signal
from appliance.machine.service import Barrier, Service, Step, Task
from appliance.machine.watch import GIVE_UP_DEATHS, History

__all__ = ["Stopped", "Supervisor"]

_TICK = 0.05
_LOOK_AT_LOGS = 60.0


class Stopped(Exception):
    """Somebody asked to stop while the parts were starting."""


class _Part:
    """A service, its process if it runs, and its deaths."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: Identity | None = None
        self.history = History()
        self.started = 0.0
        self.answered = False  # once; a part that dies later is started again without a barrier
        self.start_at: float | None = None


class Supervisor:
    def __init__(
        self,
        steps: Sequence[Step],
        records: Records,
        log_of: Callable[[str], Path],
        say: Callable[[str], None],
    ) -> None:
        self._steps = steps
        self._records = records
        self._log_of = log_of
        self._say = say
        self._parts: list[_Part] = []
        self._undo: list[Task] = []
        self._stop = False

    def ask_to_stop(self) -> None:
        """Safe in a signal handler: it only notes the wish."""
        self._stop = True

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start, watch until asked to stop, stop. CannotStart says what failed and where."""
        try:
            for step in self._steps:
                self._take(step)
            self._take(Barrier())
            on_ready()
            self._watch()
        except Stopped:
            pass
        except CannotStart:
            if not self._stop:  # a Ctrl-C at the terminal also ends a command that a task runs
                raise
        finally:
            self._stop_all()

    def _take(self, step: Step) -> None:
        if self._stop:
            raise Stopped
        match step:
            case Task():
                self._undo.append(step)
                step.do()
            case Service():
                part = _Part(step)
                self._parts.append(part)
                self._start(part)
            case Barrier():
                for part in self._parts:
                    if not part.answered:
                        self._await(part)

    def _start(self, part: _Part) -> None:
        service = part.service
        argv = list(service.argv)
        if not service.arms_itself:
            argv = with_death_signal(service.stop_signal, argv)
        log = open_log(self._log_of(service.name))
        try:
            part.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(service.env),
                cwd=service.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(f"{service.name} can't be started: {error}") from error
        finally:
            os.close(log)
        part.start_at = None
        part.started = time.monotonic()
        part.identity = identify(part.process.pid, service.stop_signal, service.stop_seconds)
        if part.identity is not None:
            self._records.add(service.name, part.identity)

    def _await(self, part: _Part) -> None:
        service = part.service
        log = self._log_of(service.name)
        deadline = part.started + service.ready_seconds
        while True:
            if self._stop:
                raise Stopped
            code = part.process.poll() if part.process else None
            if code is not None:
                raise CannotStart(f"{service.name} ended while starting ({_ending(code)})", log)
            with contextlib.suppress(OSError):
                if service.ready():
                    part.answered = True
                    return
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{service.name} did not answer within {service.ready_seconds:.0f} s", log
                )
            time.sleep(_TICK)

    def _watch(self) -> None:
        look_at = time.monotonic() + _LOOK_AT_LOGS
        while not self._stop:
            for part in self._parts:
                self._look_after(part)
            if time.monotonic() > look_at:
                look_at = time.monotonic() + _LOOK_AT_LOGS
                for log in self._log_of("any").parent.glob("*.log"):
                    shrink_log(log)  # nginx writes more than its own
            time.sleep(_TICK)

    def _look_after(self, part: _Part) -> None:
        now = time.monotonic()
        name = part.service.name
        if part.start_at is not None:
            if now >= part.start_at:
                self._start(part)
                self._say(f"{name} started again")
            return
        code = part.process.poll() if part.process else None
        if code is None:
            return
        self._bury(part)
        part.history = part.history.died(now)
        if part.history.hopeless:
            raise CannotStart(
                f"{name} ended {GIVE_UP_DEATHS} times within a minute, last with {_ending(code)}",
                self._log_of(name),
            )
        part.start_at = now + part.history.pause
        self._say(f"{name} ended ({_ending(code)}); starting it again")

    def _bury(self, part: _Part) -> None:
        """End what the dead process has left behind: nginx's workers hold its ports."""
        if part.identity is not None:
            end_group(part.identity)
            part.identity = None
            self._records.remove(part.service.name)
        part.process = None

    def _stop_all(self) -> None:
        for part in reversed(self._parts):
            self._stop_part(part)
        for task in reversed(self._undo):
            task.undo()
        self._records.clear()

    def _stop_part(self, part: _Part) -> None:
        process, service = part.process, part.service
        if process is None:
            return
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(service.stop_signal)
            try:
                process.wait(service.stop_seconds)
            except subprocess.TimeoutExpired:
                if not service.may_linger:
                    self._say(f"{service.name} did not stop within {service.stop_seconds:.0f} s")
                process.kill()
                process.wait()
        self._bury(part)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
