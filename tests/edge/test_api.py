"""The API host: what reaches a gateway, and what nginx answers by itself."""

from __future__ import annotations

import json
import socket
import ssl

import pytest
import urllib3
from minio import Minio


def told(answer) -> dict:
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_a_request_reaches_a_gateway_as_it_was(edge):
    answer = edge.api(
        "PATCH",
        "/api/v1/nodes/n%2F1?a=b%20c",
        body=b"{}",
        headers={"Authorization": "Bearer x", "Idempotency-Key": "k"},
    )
    seen = told(answer)
    assert (seen["method"], seen["path"]) == ("PATCH", "/api/v1/nodes/n%2F1?a=b%20c")
    assert seen["headers"]["authorization"] == "Bearer x"
    assert seen["headers"]["idempotency-key"] == "k"
    assert seen["headers"]["x-forwarded-proto"] == "https"
    assert seen["headers"]["host"] == f"localhost:{edge.options.api_port}"
    assert told(edge.api("GET", "/health/ready"))["path"] == "/health/ready"


def test_addresses_from_outside_are_replaced(edge):
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Real-IP": "192.0.2.1",
        "Forwarded": "for=192.0.2.1",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-Proto": "http",
    }
    seen = told(edge.api("GET", "/api/v1/x", headers=forged))["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert not {"x-real-ip", "forwarded", "x-forwarded-host"} & seen.keys()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("my-request.1234", True),
        ("short", False),
        ("x" * 65, False),
        ("with spaces here", False),
        ('"},{"evil":"1"', False),
    ],
)
def test_request_ids(edge, sent, kept):
    answer = edge.api("GET", "/api/v1/x", headers={"X-Request-Id": sent})
    assert answer.headers.get_all("X-Request-Id") == [told(answer)["headers"]["x-request-id"]]
    assert (answer.headers["X-Request-Id"] == sent) is kept


def test_a_request_without_an_id_gets_one(edge):
    assert len(edge.api("GET", "/api/v1/x").headers["X-Request-Id"]) == 32


@pytest.mark.parametrize("target", ["/metrics", "/", "/api", "/api/../metrics", "/apix"])
def test_nothing_else_is_reachable(edge, target):
    assert edge.api("GET", target).code == "not-found"


def test_bodies_up_to_8_mib(edge):
    assert told(edge.api("POST", "/api/v1/x", body=bytes(8 << 20)))["length"] == 8 << 20
    answer = edge.api("POST", "/api/v1/x", headers={"Content-Length": str((8 << 20) + 1)})
    assert (answer.status, answer.code) == (413, "body-too-large")


@pytest.mark.parametrize("status", [400, 404, 409, 413, 429, 503])
def test_a_gateways_own_errors_pass_unchanged(edge, status):
    answer = edge.api("GET", f"/api/v1/fail/{status}")
    assert answer.status == status
    assert json.loads(answer.body)["path"] == f"/api/v1/fail/{status}"


def test_one_gateway_down_is_not_seen(edge):
    """Nobody listens at the second gateway's port."""
    assert {edge.api("POST", "/api/v1/x", body=b"x").status for _ in range(20)} == {200}


def test_headers_of_security(edge):
    for answer in (edge.api("GET", "/api/v1/x"), edge.api("GET", "/metrics")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Server"] == "nginx"


def test_sign_in_is_limited_by_address_and_nothing_else_is(edge):
    tries = [edge.api("POST", "/api/v1/session", body=b"{}") for _ in range(12)]
    assert [answer.status for answer in tries[:6]] == [200] * 6
    refused = [answer for answer in tries if answer.status != 200]
    assert refused
    assert {(answer.status, answer.code) for answer in refused} == {(429, "too-many-attempts")}
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert edge.api("GET", "/api/v1/session").status == 200
    assert edge.api("POST", "/api/v1/sessions-of-work", body=b"{}").status == 200


def test_old_tls_is_refused(edge):
    context = edge.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert _handshake(edge, context) == "TLSv1.2"
    assert _handshake(edge, edge.context()) == "TLSv1.3"


def _handshake(edge, context) -> str:
    raw = socket.create_connection(("localhost", edge.options.api_port))
    with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
        return wrapped.version()


def test_bench_server_is_an_s3_endpoint_for_any_client(edge, store):
    pool = urllib3.PoolManager(ca_certs=edge.options.certificate)
    client = Minio(
        endpoint=f"localhost:{edge.options.bench_port}",
        access_key=store.root.access_key,
        secret_key=store.root.secret_key,
        region="us-east-1",
        http_client=pool,
    )
    assert store.settings.bucket in [bucket.name for bucket in client.list_buckets()]
    pool.clear()
