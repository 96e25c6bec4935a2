"""Bodies over a real socket: each way of being wrong has its code, and none is a 500."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from appliance.domain.errors import DatabaseUnavailable
from appliance.gateway.bodies import read_body
from appliance.gateway.middlewares import answered, observed
from appliance.telemetry.metrics import PROBLEMS, Meters
from appliance.wire.nodes import Move

LIMIT = 10_000


@pytest.fixture
def meters() -> Meters:
    return Meters("gateway")


@pytest.fixture
async def http(meters: Meters) -> AsyncIterator[TestClient]:
    decoder = msgspec.json.Decoder(Move)

    async def echo(request: web.Request) -> web.Response:
        body = await read_body(request, decoder, LIMIT)
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def burst(request: web.Request) -> web.Response:
        raise RuntimeError("password=hunter2")

    async def down(request: web.Request) -> web.Response:
        raise DatabaseUnavailable("the database does not answer")

    app = web.Application(middlewares=[observed(meters), answered(meters)], client_max_size=LIMIT)
    app.router.add_post("/echo", echo)
    app.router.add_get("/burst", burst)
    app.router.add_get("/down", down)
    async with TestClient(TestServer(app)) as client:
        yield client


async def _refused(http: TestClient, data: object, status: int, code: str, **headers: str) -> str:
    told = {"Content-Type": "application/json", **headers}
    async with http.post("/echo", data=data, headers=told) as response:
        body = await response.json(content_type="application/problem+json")
        assert (response.status, body["code"]) == (status, code), body
        assert response.headers["X-Request-Id"] == body["request_id"]
        detail: str = body["detail"]
        return detail


async def test_a_good_body(http: TestClient) -> None:
    answer = await http.post("/echo", json={"name": "caf\u00e9 \U0001f9c0", "rev": 4})
    assert answer.status == 200
    assert (await answer.json())["name"] == "caf\u00e9 \U0001f9c0"


async def test_another_type_is_refused(http: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        await _refused(http, b"{}", 400, "invalid-body", **{"Content-Type": kind})


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"name": "\xff"}', b'{"name": "\\ud800"}', b"[]",
     b'"x"', b"null", b'{"name": 4}', b'{"name": ""}', b'{"rev": 1e400}', b'{"nobody": 1}',
     b'{"name": "a\\u0000b"}', b'{"rev": "4"}', b'{"rev": -1}'],
)  # fmt: skip
async def test_each_wrong_body_is_told_so(http: TestClient, raw: bytes) -> None:
    await _refused(http, raw, 400, "invalid-body")


async def test_the_field_is_named(http: TestClient) -> None:
    assert "$.name" in await _refused(http, b'{"name": 4}', 400, "invalid-body")
    assert "nobody" in await _refused(http, b'{"nobody": 4}', 400, "invalid-body")


@pytest.mark.parametrize("opening", [b"[", b'{"name":', b'{"x":[', b'{"mode":{"a":'])
async def test_a_deep_body_is_bad_and_nothing_worse(http: TestClient, opening: bytes) -> None:
    await _refused(http, opening * ((LIMIT - 10) // len(opening)), 400, "invalid-body")


async def test_a_large_body_is_refused(http: TestClient) -> None:
    raw = json.dumps({"name": "x" * LIMIT}).encode()
    await _refused(http, raw, 413, "body-too-large")

    async def unannounced() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), 1000):
            yield raw[start : start + 1000]

    await _refused(http, unannounced(), 413, "body-too-large")


async def test_an_escaped_backslash_is_no_nul(http: TestClient) -> None:
    answer = await http.post("/echo", json={"name": "a\\u0000"})
    assert (await answer.json())["name"] == "a\\u0000"


async def test_an_accident_tells_nothing(http: TestClient, meters: Meters) -> None:
    answer = await http.get("/burst")
    text = await answer.text()
    assert answer.status == 500
    assert "hunter2" not in text and "RuntimeError" not in text
    assert json.loads(text)["code"] == "internal"
    assert meters.counter(PROBLEMS).labels("internal")._value.get() == 1


async def test_what_is_down_says_when_to_come_back(http: TestClient) -> None:
    answer = await http.get("/down")
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1


async def test_no_such_address_and_no_such_method(http: TestClient) -> None:
    answer = await http.get("/nowhere")
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (404, "not-found")
    answer = await http.delete("/echo")
    assert answer.status == 405
    assert (await answer.json(content_type=None))["code"] == "method-not-allowed"
    assert answer.headers["Allow"] == "POST"


async def test_a_request_id_is_kept_or_made(http: TestClient) -> None:
    kept = await http.get("/down", headers={"X-Request-Id": "a1b2c3d4e5f6"})
    assert kept.headers["X-Request-Id"] == "a1b2c3d4e5f6"
    made = await http.get("/down", headers={"X-Request-Id": "no spaces please"})
    assert len(made.headers["X-Request-Id"]) == 32
