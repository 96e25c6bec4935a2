"""Real stores behind a real nginx; before the API, a server that tells what reached it."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from minio import Minio

from appliance.domain.tickets import Ticket
from appliance.edge import keyring
from appliance.objects.keys import single_key
from appliance.objects.presign import Presigner, SignedPut
from tests.edge.edge_process import Edge, options_in, running_edge
from tests.edge.token_maker import GOOD, PUBLIC_KEYS
from tests.objects.store_processes import BUCKET, REGION, RunningStore, free_ports, running

SLICE = 4 << 20


@pytest.fixture(scope="session", params=["minio", "seaweedfs"])
def store(request, tmp_path_factory) -> Iterator[RunningStore]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="session")
def root(store) -> Minio:
    """The only client here that isn't bound by the edge's rights: it lays objects out."""
    return Minio(
        endpoint=store.settings.endpoint.removeprefix("http://"),
        access_key=store.root.access_key,
        secret_key=store.root.secret_key,
        region=REGION,
        secure=False,
    )


class Telling(BaseHTTPRequestHandler):
    """Answers what it was asked, as JSON; /api/v1/fail/N answers the status N by itself."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": len(body),
        }
        sent = json.dumps(told).encode()
        status = int(self.path.rpartition("/")[2]) if "/fail/" in self.path else 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("X-Request-Id", "inner")
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def gateway_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Telling) as server, ThreadPoolExecutor() as pool:
        pool.submit(server.serve_forever)
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def ring() -> keyring.KeyRing:
    return keyring.create(int(time.time()), kid="ring-1")


@pytest.fixture(scope="session")
def edge(store, ring, gateway_port, tmp_path_factory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge") / "a folder; mit Ümlaut"
    folder.mkdir()
    ports = free_ports(5)
    options = options_in(
        folder,
        ports,
        bench_port=ports[3],
        gateways=(f"127.0.0.1:{gateway_port}", f"127.0.0.1:{ports[4]}"),  # nobody at the second
        store_address=store.settings.endpoint.removeprefix("http://"),
        bucket=BUCKET,
        edge_access_key=store.edge.access_key,
        edge_secret_key=store.edge.secret_key,
        region=REGION,
        public_keys=PUBLIC_KEYS | ring.public_keys(time.time()),
        signin_per_minute=60,
        signin_burst=5,
    )
    with running_edge(options, folder) as started:
        yield started


class Shelf:
    """Lays objects into the store and mints tickets for them."""

    def __init__(self, root: Minio, ring: keyring.KeyRing) -> None:
        self.root = root
        self.ring = ring

    def put(self, content: bytes) -> str:
        key = single_key(secrets.randbits(62) + 1, secrets.token_bytes(16))
        self.root.put_object(BUCKET, key, BytesIO(content), len(content), part_size=16 << 20)
        return f"/{BUCKET}/{key}"

    def remove(self, obj: str) -> None:
        self.root.remove_object(BUCKET, obj.removeprefix(f"/{BUCKET}/"))

    def ticket(self, obj: str, **claims: object) -> str:
        now = int(time.time())
        given = {name: GOOD[name] for name in ("ep", "fn", "ct", "dp", "back")}
        given |= {"obj": obj, "iat": now, "exp": now + 300} | claims
        return self.ring.sign(Ticket(**given), now)


@pytest.fixture(scope="session")
def shelf(root, ring) -> Shelf:
    return Shelf(root, ring)


class Uploads:
    """Presigned as the gateway does it, for the edge's address; sent without its origin."""

    def __init__(self, store: RunningStore, edge: Edge) -> None:
        origin = f"https://localhost:{edge.options.upload_port}"
        self.origin = origin
        self.presigner = Presigner(origin, REGION, BUCKET, store.settings.signer)

    def single(self, key: str, body: bytes, *, age: int = 0) -> tuple[str, dict[str, str]]:
        digest = hashlib.sha256(body).digest()
        return self._request(self.presigner.put_url(key, digest, len(body), **_when(age)))

    def part(self, key: str, upload: str, number: int, body: bytes) -> tuple[str, dict[str, str]]:
        digest = hashlib.sha256(body).digest()
        return self._request(
            self.presigner.part_url(key, upload, number, digest, len(body), **_when(0))
        )

    def _request(self, put: SignedPut) -> tuple[str, dict[str, str]]:
        return put.url.removeprefix(self.origin), put.headers


def _when(age: int) -> dict:
    return {"now": datetime.now(UTC) - timedelta(seconds=age), "expires": timedelta(seconds=600)}


@pytest.fixture(scope="session")
def uploads(store, edge) -> Uploads:
    return Uploads(store, edge)


@pytest.fixture
def key() -> str:
    return single_key(secrets.randbits(62) + 1, secrets.token_bytes(16))
