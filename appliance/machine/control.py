"""The commands beside the supervisor: up, down, status, reload. Each ends by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.machine.failure import CannotStart
from appliance.machine.launch import assemble, find_store, places_of, settings_given
from appliance.machine.logs import open_log, tail
from appliance.machine.options import Options, read_options
from appliance.machine.places import Places
from appliance.machine.process import Records, still_runs, stop_left_over
from appliance.machine.state import Lock, State, forget_state, read_state

__all__ = ["down", "reload_nginx", "status", "up"]

Say = Callable[[str], None]
_POLL = 0.05
_STOP_SECONDS = 150.0


def up(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """Returns when the product answers through nginx, or when nothing of it runs any more."""
    places = places_of(options)
    places.make()
    lock = Lock(places.run / "lock")
    if lock.held():
        return _wait_for_other(places, lock, say)
    find_store(options, environ, say)  # may build for minutes: in the foreground, with words
    forget_state(places.run)
    log = open_log(places.log_of("supervisor"))
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "appliance.machine", "supervise"],
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


def down(options: Options, say: Say) -> int:
    """Returns when nothing of the instance runs, also when its supervisor has been killed."""
    places = places_of(options)
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
    places = places_of(options)
    state = read_state(places.run)
    if state is None or not Lock(places.run / "lock").held():
        say("Stowbay isn't running")
        return 1
    say(f"{state.phase}: {state.api_url}")
    for name, identity in Records(places.run).load().items():
        word = "runs" if still_runs(identity) else "has ended"
        say(f"  {name:<12} {word}, process {identity.pid}")
    return 0 if state.phase == "ready" else 1


def reload_nginx(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """Write nginx's files anew (certificate, ticket keys) and let it read them; no request lost.

    The settings are those that the running instance was started with, not the caller's.
    """
    places = places_of(options)
    state = read_state(places.run)
    nginx = Records(places.run).load().get("nginx")
    if state is None or nginx is None or not still_runs(nginx):
        raise CannotStart("nginx isn't running")
    started_with = {**state.environment, "STOWBAY_VAR": str(options.var)}
    others = {k: v for k, v in environ.items() if k not in settings_given(environ)}
    assembly = assemble(read_options(started_with, options.var), {**others, **started_with}, say)
    assembly.edge.prepare()
    assembly.edge.check()
    os.kill(nginx.pid, signal.SIGHUP)
    say("nginx reads its files anew")
    return 0


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
        return f"Stowbay did not start; the end of {log}:\n{tail(log)}"
    if not state.log:
        return f"Stowbay did not start: {state.detail}"
    log = Path(state.log)
    return f"Stowbay did not start: {state.detail}; the end of {log}:\n{tail(log)}"


def _clean_up(places: Places) -> list[str]:
    """After a killed supervisor: its parts, their records, and the folder in memory."""
    records = Records(places.run)
    left = stop_left_over(records.load()) if places.run.exists() else []
    if places.run.exists():
        records.clear()
        forget_state(places.run)
    shutil.rmtree(places.memory, ignore_errors=True)
    return left
