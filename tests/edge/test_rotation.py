"""Keys of the ring, rotated while downloads go on; and gateways that aren't there."""

from __future__ import annotations

import http.client
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import ThreadingHTTPServer

from appliance.domain.tickets import Ticket
from tests.edge.conftest import Telling
from tests.edge.edge_process import options_in, running_edge
from tests.edge.token_maker import GOOD
from tests.objects.store_processes import free_ports

TICKET_SECONDS = 300


def test_rotation_refuses_no_valid_ticket(edge, ring, shelf):
    obj = shelf.put(b"rotated")
    now = int(time.time())

    def ticket(with_ring, at):
        claims = {name: GOOD[name] for name in ("ep", "fn", "ct", "dp", "back")}
        return with_ring.sign(Ticket(obj=obj, iat=now, exp=now + TICKET_SECONDS, **claims), at)

    old = ticket(ring, now)
    rotated = ring.rotate(
        now, kid="ring-2", publish_seconds=60, longest_ticket_seconds=TICKET_SECONDS
    )
    early = ticket(rotated, now)
    new = ticket(rotated, now + 60)
    assert edge.download(new).code == "ticket-unknown-key"
    published = dict(edge.options.public_keys)
    edge.publish(published | rotated.public_keys(now))
    for token in (old, early, new):
        assert edge.download(token).body == b"rotated"
    last = now + 60 + TICKET_SECONDS
    assert rotated.public_keys(last - 1).keys() == {"ring-1", "ring-2"}
    edge.publish(rotated.public_keys(last))
    assert edge.download(old).code == "ticket-unknown-key"
    assert edge.download(new).body == b"rotated"
    edge.publish(published)


def test_a_download_goes_on_through_a_reload(edge, shelf):
    content = random.Random(8).randbytes(24 << 20)
    connection = edge.connect(edge.options.download_port)
    connection.request("GET", f"/o?t={shelf.ticket(shelf.put(content))}")
    answer = connection.getresponse()
    received = answer.read(1000)
    before = edge.workers()
    edge.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while edge.workers() <= before:
        assert time.monotonic() < end
        time.sleep(0.05)
    received += answer.read()
    connection.close()
    assert received == content


def test_without_any_gateway_and_any_store(tmp_path, ring):
    ports = free_ports(5)
    options = options_in(
        tmp_path,
        ports,
        bench_port=None,
        gateways=(f"127.0.0.1:{ports[3]}",),
        store_address=f"127.0.0.1:{ports[4]}",
        bucket="stowbay",
        edge_access_key="edge",
        edge_secret_key="secret",
        region="us-east-1",
        public_keys=ring.public_keys(time.time()),
    )
    now = int(time.time())
    claims = {name: GOOD[name] for name in ("obj", "ep", "fn", "ct", "dp", "back")}
    token = ring.sign(Ticket(iat=now, exp=now + 300, **claims), now)
    target = f"/stowbay/blobs/aa?X-Amz-Signature={'0' * 64}"
    with running_edge(options, tmp_path) as alone:
        answers = {
            "unavailable": alone.api("GET", "/health/ready"),
            "store-unavailable": alone.download(token),
        }
        put = alone.upload("PUT", target, body=b"x")
        assert (put.status, put.code) == (503, "store-unavailable")
        for code, answer in answers.items():
            assert (answer.status, answer.code) == (503, code)
            assert int(answer.headers["Retry-After"]) >= 1
            assert b"127.0.0.1" not in answer.body


def test_a_gateway_that_came_back_for_one_worker_is_there_for_all(tmp_path, ring):
    """Both gateways are missed by one worker first and two seconds later by the others."""
    ports = free_ports(5)
    options = options_in(
        tmp_path,
        ports,
        bench_port=None,
        gateways=(f"127.0.0.1:{ports[3]}", f"127.0.0.1:{ports[4]}"),
        store_address="127.0.0.1:9",
        bucket="stowbay",
        edge_access_key="edge",
        edge_secret_key="secret",
        region="us-east-1",
        public_keys=ring.public_keys(time.time()),
        gateway_pause_seconds=3,
    )

    def status(connection: http.client.HTTPSConnection) -> int:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        answer.read()
        return answer.status

    with running_edge(replace(options, workers=4), tmp_path) as edge:
        connections = [edge.connect(options.api_port) for _ in range(24)]
        with ThreadPoolExecutor(len(connections)) as at_once:
            list(at_once.map(lambda each: each.connect(), connections))
        first, *others = connections
        assert status(first) == 503
        time.sleep(2)
        assert {status(each) for each in others} == {503}
        with ThreadingHTTPServer(("127.0.0.1", ports[3]), Telling) as gateway:
            threading.Thread(target=gateway.serve_forever).start()
            end = time.monotonic() + 20
            while status(first) != 200:
                assert time.monotonic() < end
                time.sleep(0.05)
            answers = [status(each) for each in others]
            gateway.shutdown()
        assert set(answers) == {200}
