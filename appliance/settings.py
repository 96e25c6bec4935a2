"""What the server processes are told: one typed file, written by provisioning, read at start.

`make up` (appliance.machine) writes it for one machine, Ansible writes it for hosts. The file
holds credentials: it is created with mode 0600 and never printed. Its path comes from the
environment variable STOWBAY_CONFIG.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

__all__ = ["Credential", "Database", "GatewayTls", "Limits", "ObjectStore", "Settings", "load"]


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One S3 credential; each has only the rights its name says (architecture, section 3)."""

    access_key: str
    secret_key: str


class ObjectStore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str  # "minio" or "seaweedfs": decides only what the two report differently
    endpoint: str  # inner address for control calls, e.g. http://127.0.0.1:18333
    region: str
    bucket: str
    signer: Credential  # PutObject under the blob prefix; the only one in URLs
    control: Credential  # create, list, complete, abort, head, copy, delete; never in a URL
    scrub: Credential  # GetObject and ListBucket
    ca: str = ""  # path of the authority an https endpoint is checked by; "" = the system's own


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Postgres cluster and the range of slots it holds (both ends included, 0..65535)."""

    name: str
    write_dsn: str
    read_dsn: str
    first_slot: int = 0
    last_slot: int = 65535
    standbys: int = 0  # how many follow the primary when all is well; the doctor compares


class GatewayTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Paths of PEM files, read anew on SIGHUP; only callers whose common name is `client` pass."""

    certificate: str
    key: str
    ca: str
    client: str = "edge-inner"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds and durations; bytes and seconds."""

    default_quota: int = 1 << 40
    versions_kept: int = 100
    batch_targets: int = 1000
    body_bytes: int = 8 << 20
    part_url_seconds: int = 3600
    urls_per_answer: int = 100
    ticket_seconds: int = 300
    token_seconds: int = 90 * 86400
    upload_idle_seconds: int = 7 * 86400  # an upload expires this long after its last activity
    put_grace_seconds: int = 3600  # the longest PUT that may land after its URL expired
    fresh_blob_seconds: int = 86400  # life of a blob that no version uses yet
    released_blob_seconds: int = 300  # life of one that no version uses any more
    dying_grace_seconds: int = 7 * 86400  # from dying to deletion: tickets, downloads, restores
    trash_seconds: int = 30 * 86400
    signin_attempts: int = 10  # failures per account ...
    signin_window_seconds: int = 900  # ... within this window
    long_poll_seconds: int = 60
    request_seconds: int = (
        30  # a call that takes longer (a part hangs) is 503; long polls add theirs
    )
    copy_nodes: int = 10_000  # nodes of a folder copied in one commit


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_url: str  # as clients see it, e.g. https://localhost:8443
    upload_url: str
    download_url: str
    gateway_ports: tuple[int, ...]  # at gateway_host; one process each
    metrics_port: int  # at metrics_host, as are those of the next processes
    databases: tuple[Database, ...]
    redis_url: str  # "" switches the cache off
    store: ObjectStore
    ticket_keyring: str  # path of the private key ring (appliance.edge.keyring)
    log_level: str = "info"
    limits: Limits = Limits()
    gateway_host: str = "127.0.0.1"
    metrics_host: str = "127.0.0.1"  # another only where nobody but Prometheus gets there
    gateway_tls: GatewayTls | None = None  # None only where nothing but this host gets there
    # What the doctor needs besides.
    worker_metrics_port: int = 0  # of this host's worker; 0 where there is none
    public_ca: str = ""  # of the public names' certificate; "" = one the system trusts


def load(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings file; msgspec.ValidationError names the field that is wrong."""
    place = Path(path or os.environ.get("STOWBAY_CONFIG", "var/config/stowbay.json"))
    return msgspec.json.decode(place.read_bytes(), type=Settings)
