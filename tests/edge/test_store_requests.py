"""What nginx itself says to the store, seen between the two."""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.edge.conftest import SLICE
from tests.edge.edge_process import options_in, running_edge
from tests.edge.store_relay import relaying
from tests.objects.store_processes import BUCKET, REGION, free_ports


@pytest.fixture
def relayed(store, ring, tmp_path):
    """An edge whose store requests pass the relay. Signed for the relay's address, as they
    are sent to it: the stores check the signature over the Host header they receive."""
    host, _, port = store.settings.endpoint.removeprefix("http://").rpartition(":")
    with relaying((host, int(port))) as relay:
        ports = free_ports(4)
        options = options_in(
            tmp_path,
            ports,
            bench_port=None,
            gateways=(f"127.0.0.1:{ports[3]}",),
            store_address=f"127.0.0.1:{relay.port}",
            bucket=BUCKET,
            edge_access_key=store.edge.access_key,
            edge_secret_key=store.edge.secret_key,
            region=REGION,
            public_keys=ring.public_keys(time.time()),
        )
        with running_edge(options, tmp_path) as edge:
            yield edge, relay


def test_each_slice_is_signed_when_it_is_fetched(relayed, shelf):
    """A signature is good for 15 minutes and a download may take hours."""
    edge, relay = relayed
    content = random.Random(7).randbytes(10 * SLICE)
    token = shelf.ticket(shelf.put(content))
    connection = edge.connect(edge.options.download_port)
    connection.request("GET", f"/o?t={token}")
    answer = connection.getresponse()
    received = answer.read(SLICE)
    time.sleep(1.2)
    received += answer.read()
    connection.close()
    assert received == content
    dates = relay.header("X-Amz-Date")
    assert len(dates) == len(relay.header("Authorization")) == 10
    assert len(set(dates)) >= 2
    assert dates == sorted(dates)


def test_only_nginx_s_own_words_reach_the_store(relayed, shelf):
    edge, relay = relayed
    obj = shelf.put(b"few words")
    token = shelf.ticket(obj)
    answer = edge.download(
        token,
        headers={
            "Authorization": "Bearer sbt_secret",
            "Cookie": "stowbay_bind=secret",
            "User-Agent": "client/1",
            "X-Forwarded-For": "192.0.2.1",
            "Referer": "https://secret/",
        },
    )
    assert answer.body == b"few words"
    sent = relay.sent.decode()
    assert sent.splitlines()[0] == f"GET {obj} HTTP/1.1"
    assert set(re.findall(r"^([A-Za-z0-9-]+): ", sent, re.M)) == {
        "Host",
        "Range",
        "Authorization",
        "X-Amz-Date",
        "X-Amz-Content-Sha256",
    }
    assert "secret" not in sent
    assert token not in sent


def test_a_cached_slice_asks_the_store_nothing(relayed, shelf):
    edge, relay = relayed
    obj = shelf.put(b"kept in memory")
    for _ in range(2):
        edge.download(shelf.ticket(obj))
    asked = len(relay.header("Range"))
    for _ in range(5):
        assert edge.download(shelf.ticket(obj)).body == b"kept in memory"
    assert (asked, len(relay.header("Range"))) == (2, 2)
