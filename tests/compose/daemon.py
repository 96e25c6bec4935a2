"""A Docker daemon of the proof's own, in namespaces of its own; one that runs already isn't asked.

Its first process is an `unshare`; with that everything ends: containers, mounts, bridges, packet
filter. On this machine stay its cgroups (empty), one end of a pair of interfaces (gone with the
other end), a table of nftables that gives it a way out, and its images under the cache folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.places import cache

__all__ = ["Daemon", "daemon", "leftovers"]

NAME = "stowbay-compose"
LINK = "stowbay-comp0"
OUTSIDE, INSIDE = "10.87.31.1", "10.87.31.2"
POOL = "base=10.87.64.0/18,size=24"
PACKAGES = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "iptables": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "debootstrap": "debootstrap",
}
_CGROUPS = Path("/sys/fs/cgroup")
_INNER = r"""
set -eu
mount -t tmpfs tmpfs /run/containerd
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip address add @INSIDE@/30 dev eth0
ip link set eth0 up
ip route add default via @OUTSIDE@
exec dockerd "$@"
"""


@dataclass(frozen=True)
class Daemon:
    """A daemon that answers. `pid`: its first process, as this machine sees it."""

    host: str
    pid: int
    log: Path

    def command(self, *words: str) -> list[str]:
        """`words` in the daemon's network, where the published ports are."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *words]


@contextlib.contextmanager
def daemon() -> Iterator[Daemon]:
    """Start it, and end it whatever happens."""
    _need_programs()
    images = cache().parent / "compose" / "docker"
    images.mkdir(parents=True, exist_ok=True)
    Path("/run/containerd").mkdir(exist_ok=True)
    _remove_rest()
    for each in Path("/run").glob(f"{NAME}-*"):
        shutil.rmtree(each)
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-", dir="/run") as place:
        run = Path(place)
        host, log = f"unix://{run}/docker.sock", run / "dockerd.log"
        script = _INNER.replace("@INSIDE@", INSIDE).replace("@OUTSIDE@", OUTSIDE)
        options = [
            f"--host={host}", f"--data-root={images}", f"--exec-root={run}/exec",
            f"--pidfile={run}/docker.pid", f"--cgroup-parent=/{NAME}", "--storage-driver=overlay2",
            f"--default-address-pool={POOL}", "--log-level=warn",
        ]  # fmt: skip
        # It dies with this process, however that ends.
        namespaces = ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-p", "-n", "--fork"]
        namespaces += ["--kill-child=KILL", "--mount-proc"]
        with log.open("wb") as said:
            first = subprocess.Popen(
                [*namespaces, "--propagation", "private", "sh", "-c", script, "dockerd", *options],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        before = forwarding.read_text()
        try:
            inner = _child(first)
            _connect(inner)
            forwarding.write_text("1\n")
            _await_answer(first, host, log)
            yield Daemon(host, inner, log)
        finally:
            with _undisturbed():
                _end(first)
                forwarding.write_text(before)
                _remove_rest()


def leftovers() -> list[str]:
    """What of a daemon is still there: it must be nothing."""
    found = [f"interface {LINK}"] if Path("/sys/class/net", LINK).exists() else []
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [f"mount {line}" for line in mounts if NAME in line or "/stowbay/compose/" in line]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    found += [f"table {line}" for line in tables.splitlines() if "stowbay_compose" in line]
    found += [f"cgroup {each}" for each in _CGROUPS.glob(f"*/{NAME}")]
    found += [f"folder {each}" for each in Path("/run").glob(f"{NAME}-*")]
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (each.parent / "stat").read_text().rpartition(")")[2].split()[0]
            if f"/run/{NAME}-" in words and state != "Z":
                found.append(f"process {words}")
    return found


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C doesn't cut the clean-up off."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, action in zip(numbers, before, strict=True):
            signal.signal(number, action)


def _child(first: subprocess.Popen[bytes]) -> int:
    for _ in range(100):
        if found := _children(first):
            return found[0]
        time.sleep(0.05)
    raise SystemExit("the daemon's namespaces could not be made")


def _children(first: subprocess.Popen[bytes]) -> list[int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text()
        return [int(each) for each in text.split()]
    return []


def _connect(inner: int) -> None:
    _run("ip", "link", "add", LINK, "type", "veth", "peer", "name", "eth0", "netns", str(inner))
    _run("ip", "address", "add", f"{OUTSIDE}/30", "dev", LINK)
    _run("ip", "link", "set", LINK, "up")
    rule = f"ip saddr {INSIDE} oifname != {LINK} masquerade"
    _run("nft", "add table ip stowbay_compose; add chain ip stowbay_compose out"
         " { type nat hook postrouting priority srcnat; };"
         f" add rule ip stowbay_compose out {rule}")  # fmt: skip


def _remove_rest() -> None:
    """What the end of the namespaces leaves; a killed proof leaves it to the next."""
    subprocess.run(["nft", "delete", "table", "ip", "stowbay_compose"], capture_output=True)
    subprocess.run(["ip", "link", "delete", LINK], capture_output=True)
    _remove_cgroups()


def _await_answer(first: subprocess.Popen[bytes], host: str, log: Path) -> None:
    asked = ["docker", "--host", host, "version"]
    for _ in range(300):
        if subprocess.run(asked, capture_output=True).returncode == 0:
            return
        if first.poll() is not None:
            break
        time.sleep(0.2)
    raise SystemExit(f"dockerd didn't start:\n{log.read_text()[-4000:]}")


def _end(first: subprocess.Popen[bytes]) -> None:
    """Gently, then for certain: with the first process the kernel ends all in its namespaces."""
    for each in _children(first):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.kill(each, signal.SIGTERM)
            first.wait(30)
    first.kill()
    first.wait()


def _remove_cgroups() -> None:
    """Docker's, which are empty by now; the kernel takes a moment over the last processes."""
    for _ in range(50):
        folders = [*_CGROUPS.glob(f"*/{NAME}"), _CGROUPS / NAME]
        folders = [each for each in folders if each.is_dir()]
        if not folders:
            return
        for each in folders:
            for below, _, _ in os.walk(each, topdown=False):
                with contextlib.suppress(OSError):
                    Path(below).rmdir()
        time.sleep(0.1)


def _need_programs() -> None:
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not missing:
        return
    print(f"installing Debian packages on this machine: {' '.join(missing)}", flush=True)
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:  # installed, not started
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        _run("apt-get", "update", "-q")
        _run("apt-get", "install", "-q", "-y", "--no-install-recommends", *missing)
    finally:
        if ours:
            policy.unlink()


def _run(*command: str) -> None:
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
