"""Debian 13 hosts on this machine, for tests of the roles: `python -m tests.cluster.lab --help`.

A lab is one process tree in namespaces of its own (lab_driver). Ending it is killing its first
process: nothing of it can be left running, mounted or configured on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cluster import cgroups
from tests.cluster.access import write_access
from tests.cluster.addresses import hosts_text
from tests.cluster.base_image import base_image, lock, prune_trees
from tests.cluster.inventory import write_inventory
from tests.cluster.places import REPOSITORY, Lab, cache, labs

__all__ = ["ask", "down", "enter", "need_root", "up"]

VENV = REPOSITORY / ".venv-cluster"


def need_root() -> None:
    """Said before anything else is tried: what follows would fail in less clear ways."""
    if os.geteuid() != 0:
        raise SystemExit("This boots Debian hosts with systemd-nspawn: run it as root.")


def up(
    lab: Lab,
    hosts: int,
    *,
    inventory: Path | None = None,
    in_memory: bool = False,
    drive_size: str = "2g",
    base: Path | None = None,
    gateway: bool = True,
    bound: bool = False,
) -> None:
    """Boot the lab; returns when every host answers by ssh. A failed start leaves nothing. `base`
    is the hosts' Debian, else the one with all packages; without a gateway they have no route. A
    bound lab ends when the calling thread does, by SIGKILL, too; the next `up` clears its rest."""
    need_root()
    with lock(f"lab-{lab.name}"):
        if _first(lab):
            raise SystemExit(f"lab {lab.name} runs: `lab down {lab.name}` ends it")
        _remove(lab)
        base = base or base_image()
        names = [f"c{number}" for number in range(1, hosts + 1)]
        lab.folder.mkdir(parents=True)
        lab.folder.chmod(0o700)
        lab.connections.mkdir()
        lab.hosts_file.write_text(hosts_text(names))
        write_access(lab, base, names)
        write_inventory(lab, names, inventory)
        driver = [sys.executable, "-P", "-m", "tests.cluster.lab_driver", lab.name]
        driver += ["--base", str(base), "--hosts", str(hosts), "--drive-size", drive_size]
        driver += ["--memory"] if in_memory else []
        driver += [] if gateway else ["--no-gateway"]
        namespaces = ["setpriv", "--pdeathsig", "KILL"] if bound else []
        namespaces += ["unshare", "-m", "-p", "-n", "--fork", "--kill-child=KILL", "--mount-proc"]
        with lab.log.open("wb") as log:
            process = subprocess.Popen(
                [*namespaces, "--propagation", "private", *driver],
                cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            lab.pid_file.write_text(f"{process.pid}\n")
            while not lab.socket.exists():
                if process.poll() is not None:
                    raise SystemExit(f"the lab didn't start:\n{lab.log.read_text()[-4000:]}")
                time.sleep(0.05)
        except BaseException:
            inner = _children(process.pid) if process.poll() is None else []
            process.kill()
            process.wait()
            _await_end(inner)
            _remove(lab)
            raise


def down(lab: Lab) -> None:
    """End the lab and remove its folder; fine when there is none."""
    with lock(f"lab-{lab.name}"):
        first = _first(lab)
        if first:
            inner = _children(first)
            os.kill(first, signal.SIGKILL)
            _await_end([first, *inner])
        _remove(lab)


def enter(lab: Lab, command: list[str], folder: Path | None = None) -> list[str]:
    """The command as it runs on the lab's controller side: inside its namespaces, in the folder
    (else this one), with Ansible told of the lab's inventory. Give it to subprocess.run."""
    first = _first(lab)
    if not first:
        raise SystemExit(f"lab {lab.name} doesn't run")
    settings = {
        "PATH": f"{VENV}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "STOWBAY_LAB": lab.name,
        "STOWBAY_LAB_FOLDER": str(lab.folder),
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible" / "ansible.cfg"),
        "ANSIBLE_HOME": str(lab.folder / "ansible"),
        "ANSIBLE_INVENTORY": str(lab.inventory),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(lab.connections),
        # Ansible names its masters by itself; testinfra would connect anew for each command.
        "ANSIBLE_SSH_EXTRA_ARGS": f"-o ControlPath={lab.connections}/%r@%h",
        "ANSIBLE_VAULT_PASSWORD_FILE": str(lab.vault_password),
    }
    pairs = [f"{key}={value}" for key, value in settings.items()]
    target = str(_children(first)[0])
    return ["nsenter", "-t", target, "-m", "-p", "-n", "--",
            "env", f"--chdir={folder or Path.cwd()}", *pairs, *command]  # fmt: skip


def ask(lab: Lab, **request: Any) -> dict[str, Any]:
    """One request to the lab's driver; an error there is an error here."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(lab.socket))
        except OSError as error:
            raise SystemExit(f"lab {lab.name} doesn't run") from error
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile().readline())
    if not answer.pop("ok"):
        raise SystemExit(f"lab {lab.name}: {answer['error']}")
    return answer


def prune() -> None:
    """Remove what dead labs left, and base images that no lab lies over."""
    for lab in labs():
        if not _first(lab):
            down(lab)
    if labs():
        return
    prune_trees()
    for each in cache().glob(".lab-*.lock"):
        each.unlink()


def _first(lab: Lab) -> int:
    """Pid of the lab's `unshare`, 0 when it is gone. A pid may be another's by now: its command
    line must name the lab."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(lab.pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if "tests.cluster.lab_driver" in words and lab.name in words:
            return pid
    return 0


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _await_end(pids: list[int]) -> None:
    """A dead process may stay a zombie for a while; that counts as ended."""
    for each in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)


def _remove(lab: Lab) -> None:
    cgroups.remove_all(lab.name)
    if lab.folder.exists():
        shutil.rmtree(lab.folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, meaning: str, *, named: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=meaning, description=meaning)
        if named:
            made.add_argument("name", help="the lab's name")
        return made

    add("bake", "make the base image and print its folder", named=False)
    booting = add("up", "boot a lab; returns when all hosts answer by ssh")
    booting.add_argument("--hosts", type=int, choices=range(1, 10), default=3)
    booting.add_argument("--inventory", type=Path, help="folder; else the project's for so many")
    booting.add_argument("--memory", action="store_true", help="keep what hosts write in memory")
    booting.add_argument("--drive-size", default="2g", help="of each store drive, e.g. 600m")
    add("down", "end a lab and remove all of it")
    add("status", "each host and the pid of its init in the lab; 0 when it is off")
    inside = add("exec", "run a command on the lab's controller: exec NAME -- CMD ...")
    inside.add_argument("words", nargs=argparse.REMAINDER)
    add("power-cut", "end a host as a pulled plug does").add_argument("host")
    boot = add("boot", "start a host whose power was cut")
    boot.add_argument("host")
    boot.add_argument("--fresh-disks", action="store_true", help="with empty store drives")
    boot.add_argument("--fresh-root", action="store_true", help="as a machine just installed")
    add("prune", "remove what dead labs left, and base images of the past", named=False)
    given = parser.parse_args()
    need_root()
    match given.command:
        case "bake":
            print(base_image())
        case "up":
            up(
                Lab(given.name),
                given.hosts,
                inventory=given.inventory,
                in_memory=given.memory,
                drive_size=given.drive_size,
            )
        case "down":
            down(Lab(given.name))
        case "status":
            print(json.dumps(ask(Lab(given.name), do="status")))
        case "exec":
            words = given.words[1:] if given.words[:1] == ["--"] else given.words
            command = enter(Lab(given.name), words or ["bash"])
            os.execvp(command[0], command)
        case "power-cut":
            ask(Lab(given.name), do="power-cut", host=given.host)
        case "boot":
            fresh = {"fresh_disks": given.fresh_disks, "fresh_root": given.fresh_root}
            ask(Lab(given.name), do="boot", host=given.host, **fresh)
        case "prune":
            prune()
    return 0


if __name__ == "__main__":
    sys.exit(main())
