#!/usr/bin/env python3
"""Stowbay in containers on this machine: compose/trial.py up | down | status | remove.

    up      make what is missing (wheels, images, secrets), start; returns when the product answers.
            Where settings, certificates or an upgrade change what the parts read, they start anew
    down    stop; what was stored stays
    status  say what runs
    remove  stop, and delete everything that was stored; asks first (--yes doesn't)

Settings are environment variables TRIAL_* (compose/README.md); `up` remembers them in
var/compose/trial.env. Needs Docker with Compose 2, or docker-compose 1.29, and the image
debian:trixie-slim or a way to fetch it. Only the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from context import CannotGoOn, make_context

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
PROJECT = "stowbay-trial"
ONCE = ("setup", "store-first", "databases")  # what they say, when one fails, says why
BASE = "debian:trixie-slim"
MEMORY = 4 << 30  # bytes; what runs takes about half
ANSWER_SECONDS = 300.0
PORTS = {"API": "8443", "UPLOAD": "8444", "DOWNLOAD": "8445", "PROMETHEUS": "9090"}
DEFAULTS = {
    "TRIAL_BIND": "127.0.0.1",
    "TRIAL_PUBLIC_NAME": "localhost",
    "TRIAL_NETWORK": "10.87.33",
    **{f"TRIAL_{name}_PORT": port for name, port in PORTS.items()},
}
ADDRESS = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
FORMS = {
    "TRIAL_BIND": ADDRESS,
    "TRIAL_PUBLIC_NAME": rf"{ADDRESS}|(?=.*[a-z])[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
    "TRIAL_NETWORK": r"[0-9]{1,3}(\.[0-9]{1,3}){2}",
    **{f"TRIAL_{name}_PORT": r"[1-9][0-9]{0,4}" for name in PORTS},
}


class Trial:
    """One trial: its folder, its settings, and the compose command that knows both."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.state = Path(environ.get("TRIAL_STATE") or REPOSITORY / "var" / "compose").resolve()
        self.env_file = self.state / "trial.env"
        self.started_file = self.state / "started"
        self.settings = {**DEFAULTS, **self._remembered()}
        self.settings |= {name: environ[name] for name in DEFAULTS if environ.get(name)}
        for name in FORMS:
            if not fits(name, self.settings[name]):
                raise CannotGoOn(f"{name} is {self.settings[name]!r}, which it can't be")
        self.settings["TRIAL_STATE"] = str(self.state)
        self.settings["TRIAL_OWNER"] = f"{os.getuid()}:{os.getgid()}"
        self.command = compose_command()

    def _remembered(self) -> dict[str, str]:
        if not self.env_file.exists():
            return {}
        lines = self.env_file.read_text("utf-8").splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def remember(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        text = "".join(f"{name}={value}\n" for name, value in sorted(self.settings.items()))
        self.env_file.write_text(text, "utf-8")

    def compose(self, *words: str) -> None:
        done = subprocess.run(
            [*self.command, "--project-name", PROJECT, "--file", str(HERE / "compose.yml"), *words],
            env={**os.environ, **self.settings},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            raise CannotGoOn(f"docker compose {' '.join(words)} failed; its words are above")

    def basis(self) -> str:
        """What containers are started with: the settings, and a sum of the files that they read."""
        placed = self.state / "placed"
        return self._asked() + (placed.read_text("utf-8") if placed.exists() else "")

    def outdated(self) -> bool:
        """Whether what runs was started with something else than `up` would give it now; renews
        certificates to find that out."""
        file = self.started_file
        started = file.read_text("utf-8") if file.exists() else ""
        if not started.startswith(self._asked()):
            return True
        self.compose("run", "--rm", "-T", "--no-deps", "setup")
        return started != self.basis()

    def _asked(self) -> str:
        return "".join(f"{name}={self.settings[name]}\n" for name in sorted(DEFAULTS))

    @property
    def url(self) -> str:
        port = self.settings["TRIAL_API_PORT"]
        return f"https://{self.settings['TRIAL_PUBLIC_NAME']}{'' if port == '443' else ':' + port}"


def fits(name: str, value: str) -> bool:
    """Whether a setting can be this."""
    if not re.fullmatch(FORMS[name], value):
        return False
    largest = 65535 if name.endswith("_PORT") else 255
    return not re.fullmatch(r"[0-9.]+", value) or max(map(int, value.split("."))) <= largest


def compose_command() -> list[str]:
    """TRIAL_COMPOSE, the plugin of Compose 2, or docker-compose (1.29 of Debian 12)."""
    if given := os.environ.get("TRIAL_COMPOSE"):
        return given.split()
    if not shutil.which("docker"):
        raise CannotGoOn("Docker is missing; on Debian: apt-get install docker.io docker-compose")
    if quiet("docker", "compose", "version") is not None:
        return ["docker", "compose"]
    told = quiet("docker-compose", "version", "--short") if shutil.which("docker-compose") else None
    if told is None:
        raise CannotGoOn("Compose isn't installed; on Debian: apt-get install docker-compose")
    if tuple(int(word) for word in re.findall(r"\d+", told)[:2]) < (1, 29):
        raise CannotGoOn(f"docker-compose {told.strip()} is too old; 1.29 is the oldest that works")
    return ["docker-compose"]


def quiet(*command: str) -> str | None:
    """What it says, or None when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def up(trial: Trial) -> None:
    check_machine(trial)
    trial.remember()
    make_context(trial.state / "context")
    print("building the images; the first time takes some minutes ...", flush=True)
    trial.compose("build")
    anew = not running()
    if not anew and trial.outdated():
        print("what the parts read has changed: all of them stop, then start ...", flush=True)
        down(trial)
        check_ports(trial)
        anew = True
    print("starting ...", flush=True)
    if anew:
        trial.started_file.unlink(missing_ok=True)
    try:
        trial.compose("up", "--detach", "--no-build", "--remove-orphans")
    except CannotGoOn:
        trial.compose("logs", "--no-color", "--tail=20", *ONCE)
        raise
    if anew:
        trial.started_file.write_text(trial.basis(), "utf-8")
        trial.started_file.chmod(0o600)
    wait(trial)
    print(
        f"Stowbay answers: {trial.url}\n"
        f"its authority:   {trial.state / 'ca.pem'}\n"
        f"administrator:   admin, password in {trial.state / 'admin-password'}\n"
        f"Prometheus:      https://localhost:{trial.settings['TRIAL_PROMETHEUS_PORT']}/consoles/"
        f"stowbay.html, user stowbay, password in {trial.state / 'prometheus-password'}\n"
        "compose/trial.py down stops it; what is stored stays"
    )


def check_machine(trial: Trial) -> None:
    told = quiet("docker", "info", "--format", "{{json .}}")
    if told is None or json.loads(told).get("ServerErrors"):
        raise CannotGoOn("no Docker daemon answers: start it, or run this as somebody it lets in")
    info = json.loads(told)
    if info["NCPU"] < 2 or info["MemTotal"] < MEMORY * 0.9:
        raise CannotGoOn("the trial needs 2 processors and 4 GiB of memory where Docker runs")
    if quiet("docker", "image", "inspect", BASE) is None:
        print(f"fetching {BASE} ...", flush=True)
        if quiet("docker", "pull", BASE) is None:
            raise CannotGoOn(
                f"{BASE} can't be fetched; make it from Debian's mirror, as root:\n"
                "  debootstrap --variant=minbase trixie /tmp/trixie\n"
                f"  tar -C /tmp/trixie -c . | docker import - {BASE}"
            )
    if not running():
        check_ports(trial)


def running() -> bool:
    """Whether any container of the trial does."""
    label = f"label=com.docker.compose.project={PROJECT}"
    return bool(quiet("docker", "ps", "--quiet", "--filter", label))


def check_ports(trial: Trial) -> None:
    address = trial.settings["TRIAL_BIND"]
    for name in PORTS:
        port = int(trial.settings[f"TRIAL_{name}_PORT"])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise CannotGoOn(
                    f"{address}:{port} can't be listened on ({error.strerror});"
                    f" TRIAL_{name}_PORT takes another"
                ) from error


def wait(trial: Trial) -> None:
    """Until a call gets through nginx to a gateway that is ready."""
    bind = trial.settings["TRIAL_BIND"]
    host = "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104 (asked, not listened on)
    context = ssl.create_default_context(cafile=str(trial.state / "ca.pem"))
    context.check_hostname = False  # asked by address, as the name may not resolve here yet
    url = f"https://{host}:{trial.settings['TRIAL_API_PORT']}/health/ready"
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, context=context, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        if time.monotonic() > deadline:
            raise CannotGoOn(f"{url} doesn't answer; `compose/trial.py status` says what runs")
        time.sleep(1)


def down(trial: Trial) -> None:
    trial.compose("down", "--remove-orphans")


def status(trial: Trial) -> None:
    trial.compose("ps")


def remove(trial: Trial, sure: bool) -> None:
    if not sure and input("This deletes every stored file. Type remove to go on: ") != "remove":
        raise CannotGoOn("nothing was removed")
    trial.compose("down", "--volumes", "--remove-orphans")
    # Parts of it belong to the containers' account.
    if trial.state.exists():
        script = "rm -rf /state/etc /state/secrets /state/context /state/admin-password"
        script += " /state/prometheus-password /state/ca.pem /state/trial.env"
        script += " /state/placed /state/started"
        mount = f"--volume={trial.state}:/state"
        if (
            quiet("docker", "run", "--rm", "--network=none", mount, BASE, "sh", "-c", script)
            is None
        ):
            raise CannotGoOn(f"{trial.state} couldn't be emptied")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="compose/trial.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("up", "down", "status", "remove"))
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    given = parser.parse_args()
    try:
        trial = Trial(os.environ)
        match given.command:
            case "up":
                up(trial)
            case "down":
                down(trial)
            case "status":
                status(trial)
            case _:
                remove(trial, given.yes)
    except CannotGoOn as error:
        print(f"compose/trial.py: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"compose/trial.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
