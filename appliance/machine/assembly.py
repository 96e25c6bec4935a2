"""The whole instance as a list of steps: which parts there are, in which order, told what.

Postgres, Redis and the store first; then what they must hold (databases, bucket, users of the
store); then gateways, workers and the first account; nginx last, so that nothing is reachable
before everything behind it has answered. Stopping goes the other way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.domain.errors import StoreUnavailable
from appliance.machine.edge import Edge
from appliance.machine.failure import CannotStart
from appliance.machine.health import answers
from appliance.machine.logs import open_log
from appliance.machine.options import Options
from appliance.machine.pki import Certificates
from appliance.machine.places import Places, write_private
from appliance.machine.postgres import Postgres
from appliance.machine.redis import Cache
from appliance.machine.secrets import Secrets
from appliance.machine.service import Barrier, Service, Step, Task
from appliance.machine.stores import (
    clear_seaweedfs,
    minio_service,
    prepare_minio,
    prepare_seaweedfs,
    seaweedfs_service,
)
from appliance.objects.provision import provision, seaweed_identities
from appliance.settings import Database, ObjectStore, Settings
from appliance.store.migrate import migrate

__all__ = ["ADMIN", "REGION", "Assembly"]

ADMIN = "admin"
REGION = "us-east-1"
_STORE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """All that is known before the first process starts."""

    options: Options
    places: Places
    secrets: Secrets
    certificates: Certificates
    postgres: Postgres
    cache: Cache
    edge: Edge
    store_program: Path
    environ: Mapping[str, str]  # for the parts: no secret of ours, nothing of the caller's

    def steps(self) -> Iterator[Step]:
        ports = self.options.ports
        yield Task("memory", self.edge.prepare, undo=self._clear)
        yield Task("postgres-files", self.postgres.prepare)
        yield Task("redis-files", self.cache.prepare)
        yield Task("store-files", self._prepare_store)
        yield self.postgres.service(self.environ)
        yield self.cache.service(self.environ)
        yield self._store()
        yield Barrier()
        yield Task("databases", self._make_databases)
        yield Task("bucket", self._provision)
        for index, port in enumerate(ports.gateways):
            yield self._gateway(index, port)
        yield self._worker()
        yield Task("admin", self._make_admin)
        yield Barrier()
        yield Task("nginx-check", self.edge.check)
        health = f"https://127.0.0.1:{ports.api}/health/ready"
        yield self.edge.service(self.environ, lambda: answers(health, self.certificates.authority))

    def settings(self) -> Settings:
        ports = self.options.ports
        store = self.secrets.store
        return Settings(
            api_url=f"https://localhost:{ports.api}",
            upload_url=f"https://localhost:{ports.upload}",
            download_url=f"https://localhost:{ports.download}",
            gateway_ports=ports.gateways,
            metrics_port=ports.metrics,
            databases=tuple(self._databases()),
            redis_url=self.cache.url,
            store=ObjectStore(
                kind=self.options.store,
                endpoint=f"http://127.0.0.1:{ports.store}",
                region=REGION,
                bucket=self.options.world,
                signer=store["signer"],
                control=store["control"],
                scrub=store["scrub"],
            ),
            ticket_keyring=str(self.places.secrets / "tickets.json"),
            log_level=self.options.log_level,
            limits=self.options.limits,
            worker_metrics_port=ports.worker_metrics,
            public_ca=str(self.certificates.authority),
        )

    def write_files(self) -> None:
        """What the server processes and the scripts of people read."""
        text = msgspec.json.format(msgspec.json.encode(self.settings()), indent=2).decode()
        write_private(self.places.settings_file, text + "\n")
        lines = {
            "STOWBAY_URL": f"https://localhost:{self.options.ports.api}",
            "STOWBAY_CA": str(self.certificates.authority),
            "STOWBAY_ADMIN": ADMIN,
            "STOWBAY_ADMIN_PASSWORD_FILE": str(self.secrets.admin_password_file),
        }
        text = "".join(f"{name}={_plain(value)}\n" for name, value in lines.items())
        write_private(self.places.access_file, text)

    def _databases(self) -> Iterator[Database]:
        """One database for all slots, or two with half of them each, in ascending order."""
        count = self.options.databases
        width = 65536 // count
        for index in range(count):
            name = self.options.world if count == 1 else f"{self.options.world}-{index + 1}"
            dsn = self.postgres.dsn(name)
            yield Database(
                name=name,
                write_dsn=dsn,
                read_dsn=dsn,
                first_slot=index * width,
                last_slot=(index + 1) * width - 1,
            )

    def _store(self) -> Service:
        program, places, ports = self.store_program, self.places, self.options.ports
        if self.options.store == "minio":
            return minio_service(program, places, ports, self.secrets, self.environ)
        return seaweedfs_service(
            program, places, ports, self.secrets, self.certificates, self.environ
        )

    def _prepare_store(self) -> None:
        if self.options.store == "minio":
            prepare_minio(self.places)
            return
        root, credentials = self.secrets.store_root, self.secrets.store
        prepare_seaweedfs(self.places, seaweed_identities(self.options.world, credentials, root))

    def _make_databases(self) -> None:
        databases = tuple(self._databases())
        self.postgres.make_databases(tuple(each.name for each in databases))
        for each in databases:
            migrate(each.write_dsn)

    def _provision(self) -> None:
        """A store that has just begun to answer still refuses some calls for a while."""
        deadline = time.monotonic() + _STORE_SECONDS
        while True:
            try:
                provision(
                    self.options.store,
                    f"http://127.0.0.1:{self.options.ports.store}",
                    REGION,
                    self.options.world,
                    root=self.secrets.store_root,
                    credentials=self.secrets.store,
                )
                return
            except StoreUnavailable as error:
                if time.monotonic() > deadline:
                    raise CannotStart(
                        f"the object store can't be set up: {error}", self.places.log_of("store")
                    ) from error
            time.sleep(0.2)

    def _gateway(self, index: int, port: int) -> Service:
        command = ("-P", "-m", "appliance.gateway", "--port", str(port), "--index", str(index))
        return Service(
            name=f"gateway-{index}",
            argv=(sys.executable, *command),
            env=self._server_environ(),
            ready=lambda: answers(f"http://127.0.0.1:{port}/health/ready"),
            cwd=self.places.run,
            stop_seconds=25.0,  # it gives requests under way 20 s
        )

    def _worker(self) -> Service:
        port = self.options.ports.worker_metrics
        return Service(
            name="worker",
            argv=(sys.executable, "-P", "-m", "appliance.workers", "--metrics-port", str(port)),
            env=self._server_environ(),
            ready=lambda: answers(f"http://127.0.0.1:{port}/metrics"),
            cwd=self.places.run,
            stop_seconds=25.0,
        )

    def _make_admin(self) -> None:
        log = self.places.log_of("admin")
        output = open_log(log)
        try:
            done = subprocess.run(
                [
                    str(Path(sys.executable).parent / "stowbay-admin"),
                    "user",
                    "add",
                    ADMIN,
                    "--admin",
                    "--if-missing",
                    "--password-file",
                    str(self.secrets.admin_password_file),
                ],
                env=self._server_environ(),
                cwd=self.places.run,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        finally:
            os.close(output)
        if done.returncode != 0:
            raise CannotStart("the first administrator can't be made", log)

    def _server_environ(self) -> dict[str, str]:
        return {**self.environ, "STOWBAY_CONFIG": str(self.places.settings_file)}

    def _clear(self) -> None:
        self.edge.clear_memory()
        if self.options.store == "seaweedfs":
            clear_seaweedfs(self.options.ports)


def _plain(value: str) -> str:
    """access.env is read by shells and by plain readers alike, so quoting is no way out."""
    if not all(each.isascii() and (each.isalnum() or each in "/._-:") for each in value):
        raise CannotStart(
            f"{value!r} holds more than letters, digits and ._:/- : put STOWBAY_VAR elsewhere"
        )
    return value
