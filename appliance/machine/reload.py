"""nginx reads its files anew: a renewed certificate, ticket keys that were rotated."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from appliance.machine.failure import CannotStart
from appliance.machine.launch import assemble
from appliance.machine.options import read_options, settings_given
from appliance.machine.process import Records, still_runs
from appliance.machine.state import read_state


def main() -> int:
    """No request is lost: nginx's old workers finish what they have begun.

    The settings are those that the running instance was started with, not the caller's.
    """
    environ = dict(os.environ)
    options = read_options(environ, Path.cwd())
    places = options.places
    state = read_state(places.run)
    nginx = Records(places.run).load().get("nginx")
    if state is None or nginx is None or not still_runs(nginx):
        print("nginx isn't running")
        return 1
    started_with = {**state.environment, "STOWBAY_VAR": str(options.var)}
    others = {k: v for k, v in environ.items() if k not in settings_given(environ)}
    try:
        assembly = assemble(
            read_options(started_with, options.var), {**others, **started_with}, print
        )
        assembly.edge.prepare()
        assembly.edge.check()
    except CannotStart as error:
        print(error.message)
        return 1
    os.kill(nginx.pid, signal.SIGHUP)
    print("nginx reads its files anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
