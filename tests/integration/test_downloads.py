"""Tickets at the edge, through the whole product."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import ssl
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from . import protocol as p
from .instance import Instance, Reply, User, free_ports

MIB = 1 << 20


def test_ranges_head_and_resume(user: User) -> None:
    data = p.content(9 * MIB)
    node = p.stored(user, "ranged", data)["node"]
    url = p.ticket(user, node)["url"]
    for first, last in ((0, 0), (4 * MIB - 5, 4 * MIB + 5), (8 * MIB, 9 * MIB - 1)):
        reply = user.instance.call("GET", url, headers={"Range": f"bytes={first}-{last}"})
        assert (reply.status, reply.body) == (206, data[first : last + 1])
        assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    head = user.instance.call("HEAD", url)
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(data)))
    beyond = user.instance.call("GET", url, headers={"Range": f"bytes={len(data)}-"})
    assert beyond.status == 416
    etag = head.headers["ETag"]
    resumed = {"Range": "bytes=100-", "If-Range": etag}
    assert user.instance.call("GET", url, headers=resumed).body == data[100:]


def test_the_same_bytes_cold_warming_and_hot(user: User) -> None:
    data = p.content(9 * MIB)
    node = p.stored(user, "thrice", data)["node"]
    for _ in range(3):
        assert p.fetched(user, node) == data


def test_headers_of_a_download(user: User) -> None:
    node = p.stored(user, "Grüße \U0001f600.html", b"<script>1</script>")["node"]
    reply = user.instance.call("GET", p.ticket(user, node)["url"])
    assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe" in reply.headers["Content-Disposition"]
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    inner = [name for name in reply.headers if name.lower().startswith(("x-amz", "x-minio"))]
    assert inner == []


def test_the_stable_url_redirects_a_browser(user: User) -> None:
    node = p.stored(user, "page", b"hello")["node"]
    reply = user.call("GET", f"/api/v1/nodes/{node}/content", Accept="text/html,*/*")
    assert reply.status == 302
    assert user.instance.call("GET", reply.headers["Location"]).body == b"hello"


def _parts(url: str) -> tuple[str, list[str]]:
    (token,) = parse_qs(urlsplit(url).query)["t"]
    return token, token.split(".")


def _decode(part: str) -> dict[str, object]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def _encode(document: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_tampered_and_forged_tickets_are_refused(user: User) -> None:
    mine = p.ticket(user, p.stored(user, "mine", b"z" * 100)["node"])["url"]
    other = p.ticket(user, p.stored(user, "other", b"b" * 100)["node"])["url"]
    token, (head, claims, signature) = _parts(mine)
    _, (_, other_claims, _) = _parts(other)
    later = _encode(_decode(claims) | {"exp": int(time.time()) + 10**6})
    none = _encode(_decode(head) | {"alg": "none"})
    hmac = _encode(_decode(head) | {"alg": "HS256"})
    forged = [
        f"{head}.{other_claims}.{signature}",
        f"{head}.{later}.{signature}",
        f"{none}.{claims}.",
        f"{hmac}.{claims}.{signature}",
        f"{head}.{claims}.{'A' * 86}",
        token[:-6],
        "",
        "x" * 9000,
    ]
    base = mine.split("?")[0]
    for wrong in forged:
        reply = user.instance.call("GET", f"{base}?t={wrong}")
        assert reply.status in (403, 414), wrong
        assert b"zzz" not in reply.body
    assert user.instance.call("GET", mine).status == 200


def test_a_ticket_of_another_instance_is_foreign(user: User, tmp_path: Path) -> None:
    from appliance.domain.tickets import Ticket
    from appliance.edge import keyring

    url = p.ticket(user, p.stored(user, "f", b"x")["node"])["url"]
    _, (head, claims, _) = _parts(url)
    ring = keyring.create(int(time.time()), kid=str(_decode(head)["kid"]))
    found = _decode(claims)
    ticket = Ticket(**{name: value for name, value in found.items() if name != "aud"})
    foreign = ring.sign(ticket, time.time())
    reply = user.instance.call("GET", f"{url.split('?')[0]}?t={foreign}")
    assert reply.status == 403


def test_a_thousand_tickets_in_one_call(user: User) -> None:
    nodes = [p.stored(user, f"t{n}", b"%d" % n)["node"] for n in range(5)]
    body = {"targets": [{"node": node} for node in nodes] + [{"node": "nwrong"}], "chunks": True}
    reply = user.call("POST", "/api/v1/tickets", body)
    assert reply.status == 200, reply.body
    items = reply.json["items"]
    for number, item in enumerate(items[:5]):
        assert user.instance.call("GET", item["ticket"]["url"]).body == b"%d" % number
        assert [chunk["length"] for chunk in item["chunks"]] == [1]
    assert (items[5]["ticket"], items[5]["code"]) == (None, "not-found")


def test_a_reported_mismatch_quarantines_until_a_scrub_clears_it(user: User) -> None:
    done = p.stored(user, "doubted", p.content(5000))
    body = {"version": done["version"], "index": 0}
    reply = user.call("POST", f"/api/v1/nodes/{done['node']}/mismatch", body)
    assert reply.status == 204
    path = f"/api/v1/nodes/{done['node']}/content"
    reply = user.call("GET", path, Accept="application/json")
    assert reply.json["code"] == "blob-quarantined"
    user.instance.worker("--job", "scrub")
    assert user.call("GET", path, Accept="application/json").status == 200


def test_keys_rotate_without_a_refused_download(instance: Instance, user: User) -> None:
    node = p.stored(user, "rotating", b"r" * 1000)["node"]
    before = p.ticket(user, node)["url"]
    instance.admin_command("keys", "rotate", "--publish-seconds", "3")
    instance.machine("nginx-reload")
    during = p.ticket(user, node)["url"]
    deadline = time.monotonic() + 30
    while True:
        after = p.ticket(user, node)["url"]
        if _decode(_parts(after)[1][0])["kid"] != _decode(_parts(before)[1][0])["kid"]:
            break
        assert time.monotonic() < deadline, "the gateway never signed with the new key"
        time.sleep(0.5)
    for url in (before, during, after):
        assert user.instance.call("GET", url).body == b"r" * 1000


def _from_address(instance: Instance, source: str, url: str, **headers: str) -> Reply:
    """A GET over a connection from another of this machine's addresses."""
    place = urlsplit(url if url.startswith("https:") else instance.url + url)
    assert place.port is not None
    connection = http.client.HTTPSConnection(
        "127.0.0.1",
        place.port,
        timeout=60,
        source_address=(source, 0),
        context=ssl.create_default_context(cafile=str(instance.ca)),
    )
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"{place.path}?{place.query}", headers=given)
        reply = connection.getresponse()
        return Reply(reply.status, reply.headers, reply.read())
    finally:
        connection.close()


def _claims(url: str) -> dict[str, object]:
    return _decode(_parts(url)[1][1])


def test_a_ticket_bound_to_an_address_is_refused_from_another(user: User) -> None:
    instance, data = user.instance, p.content(1000)
    node = p.stored(user, "here only", data)["node"]
    body = {"targets": [{"node": node}], "bind": "address"}
    (item,) = user.call("POST", "/api/v1/tickets", body).json["items"]
    for url in (p.ticket(user, node, "?bind=address")["url"], item["ticket"]["url"]):
        assert _from_address(instance, "127.0.0.1", url).body == data
        forged = {"X_Forwarded_For": "127.0.0.1", "X_Real_IP": "127.0.0.1"}
        reply = _from_address(instance, "127.0.0.2", url, **forged)
        assert (reply.status, reply.json["code"]) == (403, "ticket-wrong-address")
        back = str(_claims(url)["back"])
        again = user.call("GET", back, Accept="application/json").json["url"]
        assert _claims(again)["ip"] == "127.0.0.1"
    free = p.ticket(user, node)["url"]
    assert _from_address(instance, "127.0.0.2", free).body == data


def test_the_address_of_a_ticket_is_the_connection_s_own(user: User) -> None:
    data = p.content(1000)
    path = f"/api/v1/nodes/{p.stored(user, 'there only', data)['node']}/content?bind=address"
    lie = {"X_Forwarded_For": "127.0.0.1", "Accept": "application/json"}
    bearer = f"Bearer {user.token}"
    made = _from_address(user.instance, "127.0.0.2", path, Authorization=bearer, **lie)
    url = made.json["url"]
    assert _claims(url)["ip"] == "127.0.0.2"
    assert _from_address(user.instance, "127.0.0.2", url).body == data
    assert _from_address(user.instance, "127.0.0.1", url).status == 403


def test_a_ticket_bound_to_a_cookie_needs_that_cookie(user: User) -> None:
    instance, data = user.instance, p.content(1000)
    node = p.stored(user, "one browser", data)["node"]
    path = f"/api/v1/nodes/{node}/content?bind=cookie"
    mine, other = "stowbay_bind=" + "m" * 32, "stowbay_bind=" + "o" * 32
    without = user.call("GET", path)
    assert (without.status, without.json["code"]) == (400, "bad-request")
    assert "stowbay_bind" in without.json["detail"]
    body = {"targets": [{"node": node}], "bind": "cookie"}
    assert user.call("POST", "/api/v1/tickets", body).status == 400
    (item,) = user.call("POST", "/api/v1/tickets", body, Cookie=mine).json["items"]
    redirect = user.call("GET", path, Accept="*/*", Cookie=mine)
    assert redirect.status == 302
    for url in (redirect.headers["Location"], item["ticket"]["url"]):
        for cookies in ({}, {"Cookie": other}, {"Cookie": f"{mine}x"}, {"Cookie": "stowbay_bind="}):
            reply = instance.call("GET", url, headers=cookies)
            assert (reply.status, reply.json["code"]) == (403, "ticket-wrong-cookie")
        assert instance.call("GET", url, headers={"Cookie": f"a=b; {mine}"}).body == data
        back = str(_claims(url)["back"])
        assert user.call("GET", back, Accept="*/*").status == 400
        assert user.call("GET", back, Accept="*/*", Cookie=mine).status == 302


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> object:
    """An instance whose tickets are over after two seconds."""
    var = tmp_path_factory.mktemp("var-hasty")
    found = Instance(
        "seaweedfs",
        var,
        free_ports(),
        {"STOWBAY_LIMITS": '{"ticket_seconds": 2}', "STOWBAY_GATEWAYS": "1"},
    )
    found.up()
    yield found
    found.down()


def test_an_expired_ticket_leads_back_to_the_stable_url(hasty: Instance, tmp_path: Path) -> None:
    user = hasty.user(tmp_path)
    node = p.stored(user, "slow", b"slow")["node"]
    url = p.ticket(user, node)["url"]
    time.sleep(3.2)
    reply = hasty.call("GET", url)
    assert (reply.status, reply.headers["Location"].split("?")[0]) == (
        302,
        f"{hasty.url}/api/v1/nodes/{node}/content",
    )
    stranger = hasty.call("GET", reply.headers["Location"])
    assert stranger.status == 401
    path = reply.headers["Location"].removeprefix(hasty.url)
    assert user.call("GET", path, Accept="*/*").status == 302
    _, (head, claims, signature) = _parts(url)
    forged = f"{url.split('?')[0]}?t={head}.{claims}.{'A' * len(signature)}"
    assert hasty.call("GET", forged).status == 403


def test_a_get_goes_on_when_its_ticket_expires_on_the_way(hasty: Instance, tmp_path: Path) -> None:
    user, place, back = hasty.user(tmp_path), tmp_path / "big", tmp_path / "back"
    place.write_bytes(p.content(192 * MIB))
    user.stowbay("put", place, "/big")
    log, part = hasty.var / "log" / "nginx-download.log", tmp_path / ".back.stowbay-part"
    before = log.read_text().count('"status":302')
    running = user.start("get", "/big", back)
    while not part.exists() or part.stat().st_blocks * 512 < 10 * MIB:
        assert running.poll() is None, "it was over too soon"
        time.sleep(0.005)
    running.send_signal(signal.SIGSTOP)
    assert not back.exists()
    time.sleep(3.2)
    running.send_signal(signal.SIGCONT)
    assert running.wait(120) == 0
    assert back.read_bytes() == place.read_bytes()
    assert log.read_text().count('"status":302') > before, "no range met the expired ticket"
