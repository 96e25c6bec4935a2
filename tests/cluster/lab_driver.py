"""The lab's first process: `lab up` starts it in mount, pid and network namespaces of its own.

All that a lab is (bridge, mounts, hosts, and what `lab exec` runs) lives in these namespaces, so
the death of this process, by whatever signal, ends all of it at once. It answers one JSON line
with one JSON line on the lab's socket: {"do": "boot", "host": "c1"} -> {"ok": true, ...}.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socketserver
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster.addresses import BRIDGE, CONTROLLER, PREFIX
from tests.cluster.machine import Machine
from tests.cluster.places import Lab

__all__: list[str] = []


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab_driver")
    parser.add_argument("name")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--drive-size", required=True)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--no-gateway", action="store_true")
    given = parser.parse_args()
    _reap_for_child()
    lab = Lab(given.name)
    _prepare_namespaces(lab, in_memory=given.memory)
    names = [f"c{number}" for number in range(1, given.hosts + 1)]
    machines = {
        each: Machine(lab, each, given.base, given.drive_size, gateway=not given.no_gateway)
        for each in names
    }
    for each in machines.values():
        each.attach()
        each.boot()
    for each in machines.values():
        each.await_ssh()
    _serve(lab, machines)
    return 0


def _reap_for_child() -> None:
    """Return in a child. The parent stays the namespace's init, whose duty is to collect
    processes whose parents have died; it ends with the child."""
    child = os.fork()
    if child == 0:
        return
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _prepare_namespaces(lab: Lab, *, in_memory: bool) -> None:
    if in_memory:
        lab.host("").mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", "size=6g,mode=755", "lab", str(lab.host("")))
    # Other labs have hosts of the same names; what nspawn notes about them is this lab's own.
    Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "nspawn", "/run/systemd/nspawn")
    _run("mount", "--bind", str(lab.hosts_file), "/etc/hosts")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{CONTROLLER}/{PREFIX}", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")


def _serve(lab: Lab, machines: dict[str, Machine]) -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                answer = _answer(machines, json.loads(self.rfile.readline()))
            except Exception as error:  # told to the caller; the lab goes on
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(OSError):
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(lab.socket), Handler) as server:
        server.serve_forever()


def _answer(machines: dict[str, Machine], request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "status":
        return {"ok": True, "hosts": {each.name: each.leader() for each in machines.values()}}
    machine = machines[request["host"]]
    if request["do"] == "power-cut":
        machine.power_cut()
    elif request["do"] == "boot":
        machine.boot(fresh_disks=request["fresh_disks"], fresh_root=request["fresh_root"])
        machine.await_ssh()
    else:
        raise ValueError(request["do"])
    return {"ok": True, "leader": machine.leader()}


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
