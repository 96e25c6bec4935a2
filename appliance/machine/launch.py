"""From a person's settings to a running instance, in the process that becomes its supervisor.

`python -m appliance.machine.launch` is that process. The commands of people (control.py) start it
and don't import this module: all libraries of all parts meet here, and take a second to load.
"""

from __future__ import annotations

import os
import secrets as randomness
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from appliance.machine.assembly import ADMIN, REGION, Assembly
from appliance.machine.edge import Edge, find_nginx, keep_keyring
from appliance.machine.failure import CannotStart
from appliance.machine.options import Options, read_options, settings_given
from appliance.machine.pki import keep_certificates
from appliance.machine.places import Places
from appliance.machine.ports import busy
from appliance.machine.postgres import Postgres, find_binaries
from appliance.machine.process import Records, identify, stop_left_over
from appliance.machine.redis import Cache, find_server
from appliance.machine.secrets import keep_secrets
from appliance.machine.state import Lock, State, forget_state, write_state
from appliance.machine.store_programs import find_store
from appliance.machine.supervisor import Stopped, Supervisor

__all__ = ["assemble", "supervise"]

Say = Callable[[str], None]
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def assemble(options: Options, environ: Mapping[str, str], say: Say) -> Assembly:
    """Make what is missing of secrets, keys, certificates and files; start nothing."""
    places = options.places
    secrets = keep_secrets(places.secrets, randomness.token_bytes)
    keep_keyring(places.secrets / "tickets.json", int(time.time()), randomness.token_bytes)
    certificates = keep_certificates(places.pki, datetime.now(UTC))
    assembly = Assembly(
        options=options,
        places=places,
        secrets=secrets,
        certificates=certificates,
        postgres=Postgres(
            folder=places.var / "postgres",
            binaries=find_binaries(places.var / "postgres"),
            port=options.ports.postgres,
            owner_password=secrets.postgres_owner,
            application_password=secrets.postgres_application,
            log=places.log_of("postgres"),
        ),
        cache=Cache(
            folder=places.var / "redis",
            program=find_server(),
            port=options.ports.redis,
            password=secrets.redis,
        ),
        edge=Edge(
            program=find_nginx(),
            options=options,
            places=places,
            certificates=certificates,
            credential=secrets.store["edge"],
            region=REGION,
        ),
        store_program=find_store(options.store, environ, say),
        environ={
            "PATH": environ.get("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin"),
            "HOME": environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
        },
    )
    assembly.write_files()
    return assembly


def supervise(options: Options, environ: Mapping[str, str], say: Say) -> int:
    """Run the instance in this process until it is asked to stop; the process's exit code."""
    places = options.places
    places.make()
    lock = Lock(places.run / "lock").take()
    if lock is None:
        say(f"Stowbay runs already in {places.var}")
        return 1
    myself = identify(os.getpid())
    if myself is None:
        raise CannotStart("/proc isn't there")
    state = State(
        supervisor=myself,
        phase="starting",
        api_url=f"https://localhost:{options.ports.api}",
        environment=settings_given(environ),
    )
    write_state(places.run, state)
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop_at_once)
    try:
        _run(options, environ, places, state, say)
    except Stopped:
        pass  # nothing had started yet
    except CannotStart as error:
        log = str(error.log) if error.log else ""
        write_state(places.run, _phase(state, "failed", error.message, log))
        return 1
    except Exception as error:  # the last line of defence: whoever waits must hear of it
        traceback.print_exc()
        detail = f"{type(error).__name__}: {error}"
        write_state(places.run, _phase(state, "failed", detail))
        return 1
    finally:
        os.close(lock)
    forget_state(places.run)
    return 0


def _run(
    options: Options, environ: Mapping[str, str], places: Places, state: State, say: Say
) -> None:
    records = Records(places.run)
    for name in stop_left_over(records.load()):
        say(f"stopped {name}, left over from a supervisor that was killed")
    records.clear()
    taken = busy(options.ports, options.store)
    if taken:
        raise CannotStart(
            "\n".join(
                f"port {port} is in use by another program; {setting} chooses another"
                for setting, port in taken
            )
        )
    say(f"starting Stowbay in {places.var} with {options.store} ...")
    assembly = assemble(options, environ, say)
    supervisor = Supervisor(tuple(assembly.steps()), records, places.log_of, say)
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: supervisor.ask_to_stop())

    def ready() -> None:
        write_state(places.run, _phase(state, "ready"))
        say(f"Stowbay runs at {state.api_url}")
        say(f"its certificate authority: {assembly.certificates.authority}")
        say(f"user {ADMIN}, password in {assembly.secrets.admin_password_file}")

    supervisor.run(ready)


def _stop_at_once(number: int, frame: object) -> None:
    raise Stopped


def _phase(state: State, phase: str, detail: str = "", log: str = "") -> State:
    return State(state.supervisor, phase, detail, log, state.api_url, state.environment)


def main() -> int:
    environ = dict(os.environ)
    return supervise(read_options(environ, Path.cwd()), environ, _say)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
