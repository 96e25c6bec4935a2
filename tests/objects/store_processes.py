"""Both real stores, each on free loopback ports and in a directory of its own."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import IO

from appliance.objects.errors import StoreUnavailable
from appliance.objects.policies import ROLES, seaweed_identities
from appliance.objects.provision import provision
from appliance.settings import Credential, ObjectStore

BUCKET = "stowbay"
REGION = "us-east-1"
START_SECONDS = 60
LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class RunningStore:
    """`edge_sources` of this store's edge credential are the loopback addresses."""

    settings: ObjectStore
    edge: Credential
    backup: Credential
    root: Credential
    directory: Path
    process_id: int

    @property
    def kind(self) -> str:
        return self.settings.kind

    def credential(self, role: str) -> Credential:
        found = getattr(self if role in ("edge", "backup") else self.settings, role)
        assert isinstance(found, Credential)
        return found

    def credentials(self) -> dict[str, Credential]:
        return {role: self.credential(role) for role in ROLES}


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [place.getsockname()[1] for place in sockets]
    for place in sockets:
        place.close()
    return ports


def minio_binary() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "stowbay" / "bin" / "minio"


def weed_binary() -> Path:
    return Path(sys.executable).parent / "weed"


@dataclass(frozen=True)
class Place:
    """What a store keeps from one start to the next."""

    kind: str
    directory: Path
    drives: tuple[Path, ...]
    ports: tuple[int, ...]
    credentials: dict[str, Credential]
    key: bytes

    @property
    def settings(self) -> ObjectStore:
        return ObjectStore(
            kind=self.kind,
            endpoint=f"http://127.0.0.1:{self.ports[0]}",
            region=REGION,
            bucket=BUCKET,
            signer=self.credentials["signer"],
            control=self.credentials["control"],
            scrub=self.credentials["scrub"],
        )


def new_place(kind: str, directory: Path, drives: Sequence[str] = ("data",)) -> Place:
    """MinIO makes an erasure set of several drives."""
    credentials = {
        role: Credential(f"{role}{secrets.token_hex(6)}", secrets.token_hex(20))
        for role in (*ROLES, "root")
    }
    places = tuple(directory / drive for drive in drives)
    for each in places:
        each.mkdir()
    return Place(
        kind, directory, places, tuple(free_ports(8)), credentials, secrets.token_bytes(32)
    )


@contextmanager
def running(kind: str, directory: Path) -> Iterator[RunningStore]:
    try:
        with started(new_place(kind, directory)) as store:
            yield store
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def started(place: Place) -> Iterator[RunningStore]:
    """Ends with kill -9: SeaweedFS takes up to half a minute to stop when asked to."""
    start = _minio if place.kind == "minio" else _seaweedfs
    with (place.directory / "log").open("wb") as log:
        process = start(place, log)
        try:
            store = RunningStore(
                place.settings,
                place.credentials["edge"],
                place.credentials["backup"],
                place.credentials["root"],
                place.directory,
                process.pid,
            )
            _wait(store, process, place.directory / "log")
            yield store
        finally:
            process.kill()
            process.wait()
            for socket_file in _left_behind(place):
                socket_file.unlink(missing_ok=True)


def _left_behind(place: Place) -> Iterator[Path]:
    """weed makes sockets beside its gRPC ports in a place that no option moves."""
    for part in ("master", "volume", "filer", "s3"):
        for port in place.ports:
            yield Path(gettempdir()) / f"seaweedfs-{part}-grpc-{port}.sock"


def change_rights(store: RunningStore, edge_sources: Sequence[str] = LOOPBACK) -> None:
    """What an operator does: SeaweedFS reads its file again at SIGHUP (which ends it when it
    comes before it listens).
    """
    if store.kind == "seaweedfs":
        (store.directory / "identities.json").write_text(
            seaweed_identities(BUCKET, store.credentials(), store.root, edge_sources)
        )
        os.kill(store.process_id, signal.SIGHUP)
    make_ready(store, edge_sources)


def make_ready(store: RunningStore, edge_sources: Sequence[str] = LOOPBACK) -> None:
    provision(
        store.kind,
        store.settings.endpoint,
        REGION,
        BUCKET,
        root=store.root,
        credentials=store.credentials(),
        edge_sources=edge_sources,
    )


def _wait(store: RunningStore, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return make_ready(store)
        except StoreUnavailable:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{store.kind} doesn't start:\n{log.read_text()}") from None
            time.sleep(0.2)


def _minio(place: Place, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            minio_binary(),
            "server",
            "--quiet",
            "--address",
            f"127.0.0.1:{place.ports[0]}",
            *place.drives,
        ],
        cwd=place.directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(place.directory),
            "MINIO_CI_CD": "1",
            "MINIO_BROWSER": "off",
            "MINIO_PROMETHEUS_AUTH_TYPE": "public",
            "MINIO_KMS_SECRET_KEY": f"stowbay:{base64.b64encode(place.key).decode()}",
            "MINIO_ROOT_USER": place.credentials["root"].access_key,
            "MINIO_ROOT_PASSWORD": place.credentials["root"].secret_key,
        },
        stdout=log,
        stderr=log,
    )


def _seaweedfs(place: Place, log: IO[bytes]) -> subprocess.Popen[bytes]:
    (place.directory / "security.toml").write_text(
        f'[jwt.signing]\nkey = "{secrets.token_hex(32)}"\n'
        f'[jwt.filer_signing]\nkey = "{secrets.token_hex(32)}"\n'
        f'[jwt.filer_signing.read]\nkey = "{secrets.token_hex(32)}"\n'
        f'[s3.sse]\nkek = "{place.key.hex()}"\n'
    )
    roles = {role: place.credentials[role] for role in ROLES}
    (place.directory / "identities.json").write_text(
        seaweed_identities(BUCKET, roles, place.credentials["root"], LOOPBACK)
    )
    names = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc")
    names += ("volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    return subprocess.Popen(
        [
            weed_binary(),
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={','.join(map(str, place.drives))}",
            "-filer",
            "-s3",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={place.directory / 'identities.json'}",
            f"-s3.localSocket={place.directory / 's3.sock'}",
            f"-filer.localSocket={place.directory / 'filer.sock'}",
            "-volume.max=200",
            "-master.volumeSizeLimitMB=256",
            "-master.telemetry=false",
            *(f"-{name}={port}" for name, port in zip(names, place.ports, strict=True)),
        ],
        cwd=place.directory,
        env={"PATH": os.environ["PATH"], "HOME": str(place.directory)},
        stdout=log,
        stderr=log,
    )
