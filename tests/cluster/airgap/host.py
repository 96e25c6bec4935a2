"""The one host of the proof, seen from the machine: commands on it, and what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.converge import Failure, call
from tests.cluster.lab import enter
from tests.cluster.places import Lab

__all__ = ["Host"]

_NOWHERE = "192.0.2.1"  # an address of nobody's (RFC 5737)


class Host:
    def __init__(self, lab: Lab, logs: Path) -> None:
        self.lab, self.logs = lab, logs

    def run(self, log: str, command: str, *, fails: bool = False) -> str:
        """A command of root's shell; its output. Failure unless it ends as it should."""
        file = self.logs / f"{log}.log"
        try:
            call(self.lab, file, *self._ssh, command)
        except Failure:
            if not fails:
                raise
            return file.read_text()
        if fails:
            raise Failure(f"should have been refused: {file}")
        return file.read_text()

    def ask(self, command: str) -> str:
        done = self._quietly(command)
        if done.returncode != 0:
            raise Failure(f"{command}: {done.stderr}")
        return done.stdout

    def packages(self) -> dict[str, str]:
        """Name with architecture -> version of all that is installed."""
        told = self.ask(
            r"dpkg-query -W -f '${db:Status-Abbrev}|${Package}:${Architecture}|${Version}\n'"
        )
        rows = (line.split("|") for line in told.splitlines())
        return {name: version for status, name, version in rows if status.startswith("ii")}

    def carry(self, source: Path, target: str) -> None:
        """A folder's content or a file, as on a stick: by tar, through ssh."""
        folder, name = (source, ".") if source.is_dir() else (source.parent, source.name)
        packed = ["tar", "--create", "--directory", str(folder), "--", name]
        unpack = f"mkdir -p {target} && tar --extract --no-same-owner --directory {target}"
        with subprocess.Popen(packed, stdout=subprocess.PIPE) as packing:
            done = subprocess.run(
                enter(self.lab, [*map(str, self._ssh), unpack]), stdin=packing.stdout
            )
        if packing.returncode or done.returncode:
            raise Failure(f"{source} didn't arrive")

    def fetch(self, source: str, target: Path) -> None:
        command = [*map(str, self._ssh), f"tar --create --directory {source} ."]
        with subprocess.Popen(enter(self.lab, command), stdout=subprocess.PIPE) as packing:
            unpack = ["tar", "--extract", "--no-same-owner", "--directory", str(target)]
            done = subprocess.run(unpack, stdin=packing.stdout)
        if packing.returncode or done.returncode:
            raise Failure(f"{source} didn't come back")

    def write(self, target: str, content: str, mode: str = "644") -> None:
        command = [*map(str, self._ssh), f"umask 077 && cat >{target} && chmod {mode} {target}"]
        subprocess.run(enter(self.lab, command), input=content, text=True, check=True)

    def write_json(self, target: str, content: Mapping[str, Any]) -> None:
        self.write(target, "---\n" + json.dumps(content, indent=2) + "\n")

    def expect_alone(self) -> None:
        """No route but to the lab's own network, no DNS; on the host, nor on its controller."""
        for which, answer in (
            ("host", json.loads(self.ask("ip -json route"))),
            ("machine", json.loads(self._here("ip", "-json", "route"))),
        ):
            ways = {each["dst"] for each in answer}
            if not ways <= {"10.77.0.0/24"}:
                raise Failure(f"the {which} has routes: {sorted(ways)}")
        for way in ("-4", "-6"):
            if json.loads(self.ask(f"ip {way} -json route show default") or "[]"):
                raise Failure(f"the host has a default route ({way})")
        for command, why in (
            (f"ip route get {_NOWHERE}", "it knows a way to elsewhere"),
            ("getent ahosts deb.debian.org", "it resolves names of elsewhere"),
            (f"python3 -c 'import socket; socket.create_connection((\"{_NOWHERE}\", 80), 3)'",
             "it reaches elsewhere"),
        ):  # fmt: skip
            if self._quietly(command).returncode == 0:
                raise Failure(f"{why}: {command}")
        for each in self.ask("cat /etc/resolv.conf").splitlines():
            if each.startswith("nameserver"):
                raise Failure(f"the host has DNS: {each}")

    @property
    def _ssh(self) -> list[str | Path]:
        return ["ssh", "-F", self.lab.ssh_config, "c1"]

    def _quietly(self, command: str) -> subprocess.CompletedProcess[str]:
        inside = enter(self.lab, [*map(str, self._ssh), command])
        return subprocess.run(
            inside, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def _here(self, *command: str) -> str:
        done = subprocess.run(enter(self.lab, list(command)), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stderr}")
        return done.stdout
