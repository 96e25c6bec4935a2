"""nginx of this instance: its files from the edge room, its folders, its service."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.edge import keyring
from appliance.edge.capabilities import EdgeUnusable, probe
from appliance.edge.config import render
from appliance.edge.options import EdgeOptions
from appliance.machine.failure import CannotStart
from appliance.machine.options import Options
from appliance.machine.pki import Certificates
from appliance.machine.places import Places, private_folder, write_private
from appliance.machine.service import Service
from appliance.settings import Credential

__all__ = ["Edge", "find_nginx", "keep_keyring"]

_WORKER_USER = "www-data"
_MODULES = Path("/usr/lib/nginx/modules")


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything nginx is told; `prepare` may be called again while it runs, before a reload."""

    program: str
    options: Options
    places: Places
    certificates: Certificates
    credential: Credential
    region: str

    @property
    def folder(self) -> Path:
        return self.places.config / "nginx"

    @property
    def main_file(self) -> Path:
        return self.folder / "nginx.conf"

    def prepare(self) -> None:
        """Write the files, and make the folders in memory that nginx's workers write to."""
        try:
            able = probe(self.program, _MODULES)
        except EdgeUnusable as error:
            raise CannotStart(f"{error}: `make setup` says what to do") from error
        run, cache = self._make_folders()
        private_folder(self.folder)
        for name, text in render(self._edge_options(run, cache), able).items():
            path = self.folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, text)

    def check(self) -> None:
        """nginx's own word on its files, which names the line that is wrong."""
        done = subprocess.run(
            [*self._command(), "-t", "-q"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CannotStart(f"nginx refuses its configuration:\n{done.stderr.strip()}")

    def clear_memory(self) -> None:
        """Cached slices are plain text: nothing of them stays when nginx has stopped."""
        shutil.rmtree(self.places.memory, ignore_errors=True)

    def service(self, env: Mapping[str, str], ready: Callable[[], bool]) -> Service:
        return Service(
            name="nginx",
            argv=(*self._command(), "-g", "daemon off;"),
            env=env,
            cwd=self.folder,
            ready=ready,
            ready_seconds=30.0,
            stop_signal=signal.SIGQUIT,  # finishes the requests under way
            stop_seconds=5.0,
        )

    def _command(self) -> list[str]:
        # -p is the folder of the files that the configuration names without a leading slash.
        return [
            self.program,
            "-p",
            f"{self.folder}/",
            "-c",
            str(self.main_file),
            "-e",
            str(self.places.log_of("nginx")),
        ]

    def _make_folders(self) -> tuple[Path, Path]:
        memory = self.places.memory
        if not self.places.memory_root.is_dir():
            raise CannotStart(
                f"{self.places.memory_root} isn't there: STOWBAY_MEMORY names a file system"
                " in memory for nginx's cache"
            )
        memory.mkdir(exist_ok=True)
        if memory.stat().st_uid != os.geteuid():
            raise CannotStart(f"{memory} belongs to another user")
        memory.chmod(0o711 if os.geteuid() == 0 else 0o700)
        run, cache = memory / "nginx", memory / "cache"
        for folder in (run, cache):
            private_folder(folder)
            if os.geteuid() == 0:
                shutil.chown(folder, _WORKER_USER)
        return run, cache

    def _edge_options(self, run: Path, cache: Path) -> EdgeOptions:
        ports = self.options.ports
        ring = keyring.load(self.places.secrets / "tickets.json")
        return EdgeOptions(
            listen_hosts=("127.0.0.1",),
            api_port=ports.api,
            upload_port=ports.upload,
            download_port=ports.download,
            bench_port=ports.bench,
            certificate=str(self.certificates.server),
            certificate_key=str(self.certificates.server_key),
            gateways=tuple(f"127.0.0.1:{port}" for port in ports.gateways),
            store_address=f"127.0.0.1:{ports.store}",
            bucket=self.options.world,
            edge_access_key=self.credential.access_key,
            edge_secret_key=self.credential.secret_key,
            region=self.region,
            public_keys=ring.public_keys(time.time()),
            api_url=f"https://localhost:{ports.api}",
            config_dir=str(self.folder),
            cache_dir=str(cache),
            cache_megabytes=self._cache_megabytes(cache),
            signin_per_minute=self.options.signins_per_minute,
            run_dir=str(run),
            log_dir=str(self.places.log),
            user=_WORKER_USER if os.geteuid() == 0 else None,
            modules_dir=str(_MODULES),
            workers=min(4, os.cpu_count() or 1),
        )

    def _cache_megabytes(self, cache: Path) -> int:
        free = shutil.disk_usage(cache).free >> 20
        return max(16, min(self.options.cache_megabytes, free // 4))


def keep_keyring(path: Path, now: int, random_bytes: Callable[[int], bytes]) -> None:
    """The private keys that sign tickets; made once, rotated by the operator."""
    if not path.exists():
        keyring.create(now, kid=random_bytes(6).hex()).save(path)


def find_nginx() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise CannotStart("nginx isn't installed: `make setup` says what to do")
    return found
