"""A whole Stowbay of the test run's own, driven as a person drives it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class User:
    """A fresh account with a signed-in client profile of its own, so tests never meet."""

    instance: Instance
    login: str
    password: str
    profile: Path
    token: str = ""
    space: str = ""

    def stowbay(
        self,
        *args: str | Path,
        check: bool = True,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 240,
    ) -> subprocess.CompletedProcess[bytes]:
        """One client command; with check, a failure raises with everything it said."""
        self.sign_in_client()
        done = subprocess.run(
            [str(BIN / "stowbay"), *map(str, args)],
            input=input,
            capture_output=True,
            env=self.client_env() | dict(env or {}),
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"stowbay {args}: {done.returncode}\n{done.stderr.decode()}")
        return done

    def sign_in_client(self) -> None:
        """The client's own sign-in, when a test first uses it."""
        if self.profile.exists():
            return
        secret = self.profile.with_name("password")
        secret.write_text(self.password)
        command = ["login", "--user", self.login, "--password-file", secret, self.instance.url]
        subprocess.run(
            [str(BIN / "stowbay"), *map(str, command)],
            env=self.client_env(),
            check=True,
            capture_output=True,
            timeout=60,
        )

    def client_env(self) -> dict[str, str]:
        return os.environ | {
            "STOWBAY_PROFILE": str(self.profile),
            "STOWBAY_CA": str(self.instance.ca),
            "HOME": str(self.profile.parent),
        }

    def start(
        self, *args: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """A client command left running, for tests that kill it."""
        self.sign_in_client()
        # A shell's background job ignores SIGINT, and hands that down to all it starts.
        return subprocess.Popen(
            ["env", "--default-signal=INT", str(BIN / "stowbay"), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.client_env() | dict(env or {}),
        )

    def json(self, *args: str | Path) -> Any:
        return json.loads(self.stowbay(*args, "--json").stdout)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One API call with this user's token; header names by underscores."""
        given = {"Authorization": f"Bearer {self.token}"}
        return self.instance.call(method, path, body, headers=given | _headers(headers))


@dataclass
class Instance:
    store: str
    var: Path
    port_base: int
    extra: dict[str, str] = field(default_factory=dict)
    spare: list[tuple[str, str]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {
            "STORE": self.store,
            "STOWBAY_VAR": str(self.var),
            "STOWBAY_PORT_BASE": str(self.port_base),
            "STOWBAY_CONFIG": str(self.var / "config" / "stowbay.json"),
            **self.extra,
        }

    def machine(self, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "appliance.machine", command],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def up(self) -> None:
        self.machine("up")

    def down(self) -> None:
        self.machine("down")

    def worker(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The worker's jobs once, in a process of their own."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance.workers", "--once", *args],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if done.returncode != 0:
            raise AssertionError(f"worker {args}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    @property
    def access(self) -> dict[str, str]:
        lines = (self.var / "access.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line)

    @property
    def url(self) -> str:
        return self.access["STOWBAY_URL"]

    @property
    def ca(self) -> Path:
        return Path(self.access["STOWBAY_CA"])

    @property
    def admin(self) -> str:
        return self.access["STOWBAY_ADMIN"]

    @property
    def password_file(self) -> Path:
        return Path(self.access["STOWBAY_ADMIN_PASSWORD_FILE"])

    @property
    def settings(self) -> Any:
        return json.loads((self.var / "config" / "stowbay.json").read_text())

    def pid(self, name: str) -> int:
        return int((self.var / "run" / f"{name}.pid").read_text().split()[0])

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid(name), number)

    def admin_command(self, *args: str, input: str | None = None) -> str:
        done = subprocess.run(
            [str(BIN / "stowbay-admin"), *args],
            cwd=ROOT,
            env=self.env,
            input=input,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode != 0:
            raise AssertionError(f"stowbay-admin {args}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def user(self, folder: Path, *options: str) -> User:
        """A fresh account, signed in; `folder` is private to the test."""
        if not options:
            if not self.spare:
                self.spare = self._add_users(30)
            return self.sign_in(*self.spare.pop(), folder)
        login, password = _account()
        self.admin_command(
            "user", "add", login, "--password-file", "-", *options, input=password + "\n"
        )
        return self.sign_in(login, password, folder)

    def _add_users(self, count: int) -> list[tuple[str, str]]:
        found = [_account() for _ in range(count)]
        subprocess.run(
            [sys.executable, "-m", "tests.integration.add_users"],
            cwd=ROOT,
            env=self.env,
            input="\n".join(" ".join(pair) for pair in found),
            text=True,
            check=True,
            timeout=120,
        )
        return found

    def sign_in(self, login: str, password: str, folder: Path) -> User:
        home = folder / f"home-{secrets.token_hex(4)}"
        home.mkdir(parents=True)
        user = User(self, login, password, home / "profile")
        body = {"login": login, "password": password}
        while (reply := self.call("POST", "/api/v1/session", body)).status == 429:
            time.sleep(float(reply.headers["Retry-After"]))  # a test has used the limit up
        assert reply.status == 201, reply.body
        user.token, user.space = reply.json["token"], reply.json["account"]["space"]
        return user

    def call(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        timeout: float = 60,
    ) -> Reply:
        """One request as it stands, redirects not followed; a path is the API's."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        full = url if url.startswith("https:") else self.url + url
        request = urllib.request.Request(full, data=data, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca))),
            _NoRedirect,
        )
        try:
            with opener.open(request, timeout=timeout) as reply:
                return Reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())


def free_ports(count: int = 40) -> int:
    """The first of so many neighbouring free ports, below those that the system hands out.

    Processes of tests side by side take every second block each: a port that is free now isn't
    taken by the other before it is used.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    while True:
        block = 2 * secrets.randbelow(150) + int(worker) % 2
        base = 20_000 + block * count
        taken = contextlib.ExitStack()
        with contextlib.suppress(OSError), taken:
            for port in range(base, base + count):
                probe = taken.enter_context(socket.socket())
                probe.bind(("127.0.0.1", port))
            return base


def _account() -> tuple[str, str]:
    return f"u{secrets.token_hex(6)}", secrets.token_urlsafe(18)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


def tree(folder: Path) -> dict[str, Any]:
    """What a folder holds, for comparison: content, link targets, modes, mtimes of files."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder",)
        else:
            state = path.stat()
            found[name] = ("file", path.read_bytes(), state.st_mode & 0o777, state.st_mtime_ns)
    return found
