"""`python -m appliance.machine run|up|down|status|nginx-reload`; settings come by environment."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from appliance.machine import control
from appliance.machine.failure import CannotStart
from appliance.machine.launch import places_of, supervise
from appliance.machine.logs import tail
from appliance.machine.options import read_options
from appliance.machine.state import read_state

_COMMANDS = {
    "run": "start in the foreground; Ctrl-C stops it",
    "up": "start in the background; returns when it answers",
    "down": "stop; returns when nothing runs any more",
    "status": "say what runs",
    "nginx-reload": "let nginx read its certificate and ticket keys anew",
    "supervise": "what `up` starts; not for people",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m appliance.machine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in _COMMANDS.items():
        commands.add_parser(name, help=meaning)
    command = parser.parse_args().command
    environ = dict(os.environ)
    try:
        options = read_options(environ, Path.cwd())
        match command:
            case "up":
                return control.up(options, environ, _say)
            case "down":
                return control.down(options, _say)
            case "status":
                return control.status(options, _say)
            case "nginx-reload":
                return control.reload_nginx(options, environ, _say)
        code = supervise(options, environ, _say)
        if code != 0 and command == "run":
            state = read_state(places_of(options).run)
            if state is not None and state.phase == "failed":
                _say(f"Stowbay stopped: {state.detail}")
                if state.log:
                    _say(f"the end of {state.log}:\n{tail(Path(state.log))}")
        return code
    except CannotStart as error:
        _say(error.message)
        if error.log:
            _say(f"the end of {error.log}:\n{tail(error.log)}")
        return 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
