"""One host of a lab: an overlay over the base image, two drives, a systemd-nspawn that boots it.

Invariant: the overlay and the drives live in the lab's mount namespace, outside the host, so a
host whose power is cut comes back with all it had written. Only `fresh` loses them.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.cluster import cgroups
from tests.cluster.addresses import BRIDGE, CONTROLLER, PREFIX, address
from tests.cluster.places import Lab

__all__ = ["Machine"]

DRIVES = ("d1", "d2")
# Postgres has a volume of its own, so that a drill can fill it; where the base has no Postgres
# yet, the package will make the folder.
_DATABASE, _DATABASE_SIZE = "database", "3g"
_DATABASE_PLACE = "var/lib/postgresql"
_REBOOT = 133  # systemd-nspawn's exit status when the host asked for a reboot
_NETWORK = """[Match]
Name=host0
[Network]
Address={address}/{prefix}
LinkLocalAddressing=no
"""


class Machine:
    def __init__(
        self, lab: Lab, name: str, base: Path, drive_size: str, *, gateway: bool = True
    ) -> None:
        self.lab, self.name, self.base, self.drive_size = lab, name, base, drive_size
        self.gateway = gateway
        self.folder = lab.host(name)
        self.root = self.folder / "root"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._wanted = False

    def attach(self) -> None:
        """Mount the root and the drives, once per lab."""
        self._mount_root()
        for each in self._volumes():
            self._mount_drive(each)

    def _volumes(self) -> tuple[str, ...]:
        return (*DRIVES, _DATABASE) if (self.base / _DATABASE_PLACE).exists() else DRIVES

    def boot(self, *, fresh_disks: bool = False, fresh_root: bool = False) -> None:
        """Start the host; with fresh drives, or as a machine just installed."""
        with self._lock:
            if self.running():
                raise RuntimeError(f"{self.name} runs")
            if fresh_root:
                _run("umount", "-l", self.root)
                shutil.rmtree(self.folder / "upper")
                shutil.rmtree(self.folder / "work")
                self._mount_root()
            if fresh_disks or fresh_root:
                for each in self._volumes():
                    _run("umount", "-l", self.folder / each)
                    self._mount_drive(each)
            self._wanted = True
            self._start()

    def power_cut(self) -> None:
        """End the host as a pulled plug does: nothing in it hears of it. Killing nspawn itself
        would leave the host running."""
        with self._lock:
            self._wanted = False
            leader = self.leader()
            if self._process and leader:
                os.kill(leader, signal.SIGKILL)
                self._process.wait(30)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def leader(self) -> int:
        """Pid of the host's init in the lab's pid namespace; 0 when there is none."""
        if not self.running():
            return 0
        assert self._process
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def await_ssh(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection((address(self.name), 22), 1) as opened:
                    opened.settimeout(5)
                    if opened.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if time.monotonic() > deadline or not self.running():
                raise RuntimeError(f"{self.name} doesn't answer: {self.folder / 'console.log'}")
            time.sleep(0.1)

    def _start(self) -> None:
        groups = [str(each) for each in cgroups.make(self.lab.name, self.name)]
        options = ["-q", "-D", str(self.root), f"--machine={self.name}", "-b", "--register=no"]
        options += [f"--network-bridge={BRIDGE}", "--resolv-conf=off", "--timezone=off"]
        options += ["--link-journal=no", "--keep-unit", "--console=pipe"]
        options += ["--kill-signal=SIGRTMIN+3"]
        options += [f"--bind={self.folder / each}:/srv/stowbay/drives/{each}" for each in DRIVES]
        if _DATABASE in self._volumes():
            options += [f"--bind={self.folder / _DATABASE}:/{_DATABASE_PLACE}"]
        enter = 'for each in $1; do echo $$ >"$each/cgroup.procs" || exit 1; done; shift; exec "$@"'
        command = ["sh", "-c", enter, "sh", " ".join(groups), "systemd-nspawn", *options]
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        threading.Thread(target=self._await_end, args=(self._process,), daemon=True).start()

    def _await_end(self, process: subprocess.Popen[bytes]) -> None:
        """A reboot ends nspawn as well: start the host again, as its firmware would."""
        status = process.wait()
        with self._lock:
            if status == _REBOOT and self._wanted and process is self._process:
                self._start()

    def _mount_root(self) -> None:
        for each in ("upper", "work", "root"):
            (self.folder / each).mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={self.base},upperdir={self.folder}/upper,workdir={self.folder}/work"
        _run("mount", "-t", "overlay", "-o", layers, f"lab-{self.name}", self.root)
        etc = self.root / "etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        shutil.copyfile(self.lab.hosts_file, etc / "hosts")
        network = _NETWORK.format(address=address(self.name), prefix=PREFIX)
        network += f"Gateway={CONTROLLER}\n" if self.gateway else ""
        (etc / "systemd/network/10-host0.network").write_text(network)
        keys = self.root / "root/.ssh/authorized_keys"
        shutil.copyfile(self.lab.ssh_key.with_suffix(".pub"), keys)
        keys.chmod(0o600)
        # apt's lists count as fresh: nothing in the lab can fetch newer ones.
        for each in ("var/lib/apt/lists", "var/lib/apt/periodic/update-success-stamp"):
            (self.root / each).parent.mkdir(exist_ok=True)
            _run("touch", self.root / each)

    def _mount_drive(self, name: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        options = f"size={self.drive_size},mode=755"
        if name == _DATABASE:
            owner = (self.base / _DATABASE_PLACE).stat()
            options = f"size={_DATABASE_SIZE},mode=755,uid={owner.st_uid},gid={owner.st_gid}"
        _run("mount", "-t", "tmpfs", "-o", options, f"drive-{name}", self.folder / name)


def _run(*command: str | Path) -> None:
    subprocess.run([str(each) for each in command], check=True)
