"""`python -m appliance.machine run|up|down|status|nginx-reload`; settings come by environment."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from appliance.machine import control
from appliance.machine.failure import CannotStart
from appliance.machine.logs import tail
from appliance.machine.options import read_options

_COMMANDS = {
    "run": "start in the foreground; Ctrl-C stops it",
    "up": "start in the background; returns when it answers",
    "down": "stop; returns when nothing runs any more",
    "status": "say what runs",
    "nginx-reload": "let nginx read its certificate and ticket keys anew",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m appliance.machine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in _COMMANDS.items():
        commands.add_parser(name, help=meaning)
    command = parser.parse_args().command
    environ = dict(os.environ)
    if command == "nginx-reload":
        # Another program as it loads much that the other commands don't need.
        return subprocess.call([sys.executable, "-P", "-m", "appliance.machine.reload"])
    try:
        options = read_options(environ, Path.cwd())
        match command:
            case "run":
                return control.run(options, environ, _say)
            case "up":
                return control.up(options, environ, _say)
            case "down":
                return control.down(options, _say)
            case _:
                return control.status(options, _say)
    except CannotStart as error:
        _say(error.message)
        if error.log:
            _say(f"the end of {error.log}:\n{tail(error.log)}")
        return 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
