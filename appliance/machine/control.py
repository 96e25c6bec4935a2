"""The commands of people: run, up, down, status. They start the supervisor and talk to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.machine.logs import open_log, tail
from appliance.machine.options import Options
from appliance.machine.places import Places
from appliance.machine.process import Records, still_runs, stop_left_over, with_death_signal
from appliance.machine.state import Lock, State, forget_state, read_state
from appliance.machine.store_programs import find_store

__all__ = ["down", "run", "status", "up"]

Say = Callable[[str], None]
_POLL = 0.05
_SUPERVISOR = [sys.executable, "-P", "-m", "appliance.machine.launch"]
_STOP_SECONDS = 150.0


def up(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """Returns when the product answers through nginx, or when nothing of it runs any more."""
    places = options.places
    places.make()
    lock = Lock(places.run / "lock")
    if lock.held():
        return _wait_for_other(places, lock, say)
    find_store(options.store, environ, say)  # may build for minutes: in the foreground, with words
    forget_state(places.run)
    log = open_log(places.log_of("supervisor"))
    try:
        process = subprocess.Popen(
            _SUPERVISOR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environ, "STOWBAY_VAR": str(options.var)},
            start_new_session=True,
        )
    finally:
        os.close(log)
    try:
        while process.poll() is None:
            state = read_state(places.run)
            if state is not None and state.phase == "ready":
                _welcome(places, state, say)
                return 0
            time.sleep(_POLL)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 130
    say(_explain(places))
    return 1


def run(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """In the foreground until Ctrl-C, which reaches the supervisor and this process alike."""
    options.places.make()
    if Lock(options.places.run / "lock").held():
        say(f"Stowbay runs already in {options.var}; `make down` stops it")
        return 1
    find_store(options.store, environ, say)
    forget_state(options.places.run)
    argv = with_death_signal(signal.SIGTERM, _SUPERVISOR)
    process = subprocess.Popen(argv, env={**environ, "STOWBAY_VAR": str(options.var)})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda each, _: process.send_signal(each))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = process.wait()
    if code != 0:
        say(_explain(options.places))
        return 1
    say("Stowbay has stopped")
    return 0


def down(options: Options, say: Say) -> int:
    """Returns when nothing of the instance runs, also when its supervisor has been killed."""
    places = options.places
    lock = Lock(places.run / "lock")
    if not lock.held():
        left = _clean_up(places)
        say(f"stopped what was left: {', '.join(left)}" if left else "Stowbay isn't running")
        return 0
    deadline = time.monotonic() + _STOP_SECONDS
    asked = False
    while lock.held():
        state = read_state(places.run)
        if state is not None and not asked and still_runs(state.supervisor):
            os.kill(state.supervisor.pid, signal.SIGTERM)
            asked = True
        if state is not None and time.monotonic() > deadline:
            say("the supervisor doesn't stop; killing it and its parts")
            os.kill(state.supervisor.pid, signal.SIGKILL)
            deadline = time.monotonic() + _STOP_SECONDS
        time.sleep(_POLL)
    _clean_up(places)
    say("Stowbay has stopped")
    return 0


def status(options: Options, say: Say) -> int:
    """0 when it is ready, 1 when it isn't."""
    places = options.places
    state = read_state(places.run)
    if state is None or not Lock(places.run / "lock").held():
        say("Stowbay isn't running")
        return 1
    say(f"{state.phase}: {state.api_url}")
    for name, identity in Records(places.run).load().items():
        word = "runs" if still_runs(identity) else "has ended"
        say(f"  {name:<12} {word}, process {identity.pid}")
    return 0 if state.phase == "ready" else 1


def _wait_for_other(places: Places, lock: Lock, say: Say) -> int:
    """Another `up` or `run` has the instance; its outcome is ours."""
    while lock.held():
        state = read_state(places.run)
        if state is not None and state.phase == "ready":
            say(f"Stowbay is up already at {state.api_url}")
            return 0
        time.sleep(_POLL)
    say(_explain(places))
    return 1


def _welcome(places: Places, state: State, say: Say) -> None:
    say(f"Stowbay is up at {state.api_url}; `make down` stops it")
    say(f"settings for scripts, with the administrator's password file: {places.access_file}")


def _explain(places: Places) -> str:
    """What failed, and the end of the log that says why."""
    state = read_state(places.run)
    if state is None or state.phase != "failed":
        log = places.log_of("supervisor")
        return f"the supervisor ended unexpectedly; the end of {log}:\n{tail(log)}"
    if not state.log:
        return f"Stowbay can't run: {state.detail}"
    log = Path(state.log)
    return f"Stowbay can't run: {state.detail}; the end of {log}:\n{tail(log)}"


def _clean_up(places: Places) -> list[str]:
    """After a killed supervisor: its parts, their records, and the folder in memory."""
    records = Records(places.run)
    left = stop_left_over(records.load()) if places.run.exists() else []
    if places.run.exists():
        records.clear()
        forget_state(places.run)
    shutil.rmtree(places.memory, ignore_errors=True)
    return left
