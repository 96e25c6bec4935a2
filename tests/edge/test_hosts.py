"""What an edge on a host of its own does: gateways and store elsewhere, by TLS; its own figures."""

from __future__ import annotations

import http.client
import json
import random
import time
from dataclasses import dataclass

import pytest

from appliance.edge.options import InnerTls
from tests.edge.authority import Authority
from tests.edge.conftest import SLICE, Uploads
from tests.edge.edge_process import Edge, options_in, running_edge
from tests.edge.tls_door import Door, door
from tests.objects.store_processes import BUCKET, REGION, RunningStore, free_ports

INNER = "gateway.stowbay.internal"


@dataclass
class Place:
    authority: Authority
    gateway: Door
    store: Door
    edge: Edge


@pytest.fixture(scope="module")
def place(store: RunningStore, ring, gateway_port, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    authority = Authority(folder / "pki")
    inner = authority.leaf("edge-inner")
    host, _, port = store.settings.endpoint.removeprefix("http://").rpartition(":")
    (folder / "edge").mkdir()
    with (
        door(("127.0.0.1", gateway_port), authority.leaf("gateway", INNER), authority) as gateway,
        door((host, int(port)), authority.leaf("store")) as behind,
    ):
        ports = free_ports(4)
        options = options_in(
            folder / "edge",
            ports,
            listen_hosts=("127.0.0.1", "::1"),
            bench_port=None,
            gateways=(f"127.0.0.1:{gateway.port}",),
            gateway_tls=InnerTls(
                str(authority.path), INNER, str(inner.certificate), str(inner.key)
            ),
            store_address=f"127.0.0.1:{behind.port}",
            store_tls=InnerTls(str(authority.path), "localhost"),
            bucket=BUCKET,
            edge_access_key=store.edge.access_key,
            edge_secret_key=store.edge.secret_key,
            region=REGION,
            public_keys=ring.public_keys(time.time()),
            api_per_second=5,
            api_burst=10,
            status_port=ports[3],
        )
        with running_edge(options, folder / "edge") as edge:
            yield Place(authority, gateway, behind, edge)


def test_calls_reach_a_gateway_that_wants_a_certificate(place: Place):
    answer = place.edge.api("GET", "/api/v1/x")
    assert answer.status == 200
    told = json.loads(answer.body)
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert set(place.gateway.callers) == {"edge-inner"}


def test_uploads_and_downloads_reach_a_store_by_tls(place: Place, store, shelf, key):
    uploads = Uploads(store, place.edge)
    body = random.Random(3).randbytes(2 * SLICE + 17)
    target, headers = uploads.single(key, body)
    put = place.edge.upload("PUT", target, headers=headers, body=body)
    assert put.status == 200, put
    got = place.edge.download(shelf.ticket(f"/{BUCKET}/{key}"))
    assert (got.status, got.body) == (200, body)


def test_a_copy_source_never_passes(place: Place, store, shelf, key):
    secret = shelf.put(b"of another user")
    target, headers = Uploads(store, place.edge).single(key, b"mine")
    told = {**headers, "x-amz-copy-source": secret}
    assert place.edge.upload("PUT", target, headers=told, body=b"mine").status == 200
    got = place.edge.download(shelf.ticket(f"/{BUCKET}/{key}"))
    assert got.body == b"mine"


def test_ipv6_too(place: Place):
    options = place.edge.options
    for port in (options.api_port, options.upload_port, options.download_port):
        connection = http.client.HTTPSConnection("::1", port, context=_unnamed(place.edge))
        connection.request("GET", "/nothing")
        assert connection.getresponse().status in (403, 404)
        connection.close()


def test_its_own_figures_on_loopback(place: Place):
    connection = http.client.HTTPConnection("127.0.0.1", place.edge.options.status_port or 0)
    connection.request("GET", "/stub_status")
    answer = connection.getresponse()
    assert (answer.status, b"Active connections:" in answer.read()) == (200, True)
    connection.request("GET", "/")
    assert connection.getresponse().status == 404
    connection.close()


def test_calls_of_one_address_are_bounded(place: Place):
    time.sleep(2.5)  # earlier tests' calls have drained
    answers = [place.edge.api("GET", "/api/v1/x") for _ in range(30)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(answers) - len(refused) >= 10
    assert refused and {answer.code for answer in refused} == {"too-many-attempts"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_is_another_gets_nothing(place: Place, wrong, shelf, gateway_port, tmp_path):
    """Nothing of a request reaches whom the edge can't be sure of."""
    options = place.edge.options
    assert options.gateway_tls is not None
    if wrong == "authority":
        stranger = Authority(tmp_path / "other")
        inner, store = stranger.leaf("gateway", INNER), stranger.leaf("store")
        name = "localhost"
    else:
        inner, store = place.authority.leaf("redis"), place.authority.leaf("redis")
        name = "store.stowbay.internal"
    behind = ("127.0.0.1", gateway_port)
    folder = tmp_path / "edge"
    folder.mkdir()
    with door(behind, inner) as gateway, door(behind, store) as objects:
        given = {
            field: getattr(options, field)
            for field in (
                "bucket", "edge_access_key", "edge_secret_key", "region", "public_keys",
                "gateway_tls",
            )
        }  # fmt: skip
        lost = options_in(
            folder,
            free_ports(3),
            bench_port=None,
            gateways=(f"127.0.0.1:{gateway.port}",),
            store_address=f"127.0.0.1:{objects.port}",
            store_tls=InnerTls(str(place.authority.path), name),
            **given,
        )
        with running_edge(lost, folder) as edge:
            called = edge.api("GET", "/api/v1/x")
            assert (called.status, called.code) == (503, "unavailable")
            got = edge.download(shelf.ticket(f"/{BUCKET}/blobs/aa"))
            assert (got.status, got.code) == (503, "store-unavailable")
            target = f"/{BUCKET}/blobs/aa?X-Amz-Signature={'0' * 64}"
            put = edge.upload("PUT", target, body=b"x")
            assert (put.status, put.code) == (503, "store-unavailable")
            assert "upstream SSL certificate" in edge.log("nginx-error.log")
        assert (gateway.heard, objects.heard) == (0, 0)


def _unnamed(edge: Edge):
    context = edge.context()
    context.check_hostname = False
    return context
