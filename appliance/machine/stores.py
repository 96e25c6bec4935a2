"""The two object stores as services: their command lines, their keys, and who may listen.

Both listen on loopback only. Their root credential exists for provisioning and is used by
nothing that runs afterwards. Data of both may lie side by side under `var`; which one is used is
the choice of STORE. Facts behind the options: docs/explanation/decisions/0004.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir

from appliance.machine.health import answers
from appliance.machine.pki import Certificates
from appliance.machine.places import Places, private_folder, write_private
from appliance.machine.ports import Ports
from appliance.machine.secrets import Secrets
from appliance.machine.service import Service

__all__ = [
    "clear_seaweedfs",
    "minio_service",
    "prepare_minio",
    "prepare_seaweedfs",
    "seaweedfs_service",
]

# Our own expiry counts from the last activity; MinIO's must never be the first (facts: 24 h).
_MINIO_STALE_UPLOADS = "8760h"
_VOLUMES = 2000
_VOLUME_MEGABYTES = 1024


def prepare_minio(places: Places) -> None:
    private_folder(places.var / "minio")


def prepare_seaweedfs(places: Places, identities: str) -> None:
    """`identities` is the JSON text of -s3.config, made by the objects room."""
    private_folder(places.var / "seaweedfs")
    private_folder(places.memory / "store")
    write_private(_identities(places), identities)


def clear_seaweedfs(ports: Ports) -> None:
    """weed makes sockets beside its gRPC ports in a place that no option moves."""
    for part, port in (
        ("master", ports.master_grpc),
        ("volume", ports.volume_grpc),
        ("filer", ports.filer_grpc),
        ("s3", ports.store_grpc),
    ):
        (Path(gettempdir()) / f"seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)


def minio_service(
    program: Path, places: Places, ports: Ports, secrets: Secrets, env: Mapping[str, str]
) -> Service:
    data = places.var / "minio"
    return Service(
        name="store",
        argv=(
            str(program),
            "server",
            "--quiet",
            f"--address=127.0.0.1:{ports.store}",
            f"--certs-dir={places.run / 'no-certificates'}",
            str(data),
        ),
        env={
            **env,
            "HOME": str(places.run),
            "MINIO_CI_CD": "1",  # one folder on the system's disk is refused otherwise
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CALLHOME_ENABLE": "off",
            "MINIO_ROOT_USER": secrets.store_root.access_key,
            "MINIO_ROOT_PASSWORD": secrets.store_root.secret_key,
            "MINIO_KMS_SECRET_KEY": f"stowbay:{secrets.minio_encryption_key}",
            "MINIO_API_STALE_UPLOADS_EXPIRY": _MINIO_STALE_UPLOADS,
        },
        cwd=places.run,
        ready=lambda: answers(f"http://127.0.0.1:{ports.store}/minio/health/ready"),
        ready_seconds=90.0,
        stop_seconds=20.0,
    )


def seaweedfs_service(
    program: Path,
    places: Places,
    ports: Ports,
    secrets: Secrets,
    certificates: Certificates,
    env: Mapping[str, str],
) -> Service:
    data = places.var / "seaweedfs"
    sockets = places.memory / "store"
    return Service(
        name="store",
        argv=(
            str(program),
            "-logtostderr=true",
            "-v=0",
            "server",
            "-disableHttp",  # the master's; no port serves files unasked (decision 0004)
            "-filer.disableHttp",
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={ports.master}",
            f"-master.port.grpc={ports.master_grpc}",
            f"-master.volumeSizeLimitMB={_VOLUME_MEGABYTES}",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            f"-volume.port={ports.volume}",
            f"-volume.port.grpc={ports.volume_grpc}",
            f"-volume.max={_VOLUMES}",
            "-volume.preStopSeconds=0",
            "-filer",
            f"-filer.port={ports.filer}",
            f"-filer.port.grpc={ports.filer_grpc}",
            f"-filer.localSocket={sockets / 'filer.sock'}",
            "-filer.disableDirListing=true",
            "-filer.exposeDirectoryData=false",
            "-filer.ui.deleteDir=false",
            "-s3",
            f"-s3.port={ports.store}",
            f"-s3.port.grpc={ports.store_grpc}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={_identities(places)}",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            f"-s3.localSocket={sockets / 's3.sock'}",
        ),
        env={
            **env,
            "HOME": str(places.run),
            # In the environment rather than in a file: weed reads security.toml from fixed places.
            "WEED_JWT_SIGNING_KEY": secrets.seaweed_volume_jwt,
            "WEED_JWT_SIGNING_READ_KEY": secrets.seaweed_volume_jwt,
            "WEED_JWT_FILER_SIGNING_KEY": secrets.seaweed_filer_jwt,
            "WEED_JWT_FILER_SIGNING_READ_KEY": secrets.seaweed_filer_jwt,
            "WEED_S3_SSE_KEK": secrets.seaweed_encryption_key,
            **_mutual_tls(certificates),
        },
        cwd=places.run,
        ready=lambda: answers(f"http://127.0.0.1:{ports.store}/healthz"),
        ready_seconds=90.0,
        # Its filer waits 15 s for a stream to itself that nobody will end. Gateways and nginx
        # have gone by then, and what it acknowledged is written: killing it loses nothing.
        stop_seconds=2.0,
        may_linger=True,
    )


def _mutual_tls(certificates: Certificates) -> dict[str, str]:
    """gRPC asks for no credential of its own: without these anybody here could empty the filer."""
    found = {"WEED_GRPC_CA": str(certificates.authority)}
    for part in ("MASTER", "VOLUME", "FILER", "S3", "CLIENT"):
        found[f"WEED_GRPC_{part}_CERT"] = str(certificates.store)
        found[f"WEED_GRPC_{part}_KEY"] = str(certificates.store_key)
    return found


def _identities(places: Places) -> Path:
    return places.config / "seaweedfs-identities.json"
