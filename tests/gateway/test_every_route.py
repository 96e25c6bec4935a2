"""Each route of the table is called once and answers what the table says."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession

from appliance.gateway.routes import ROUTES

from .conftest import NewUser, User

_JSON = {"Content-Type": "application/json"}
CONTENT = b"what is in the file\n" * 50


def _chunk_list(content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {
        "size": len(content),
        "sha256": digest,
        "chunks": [{"length": len(content), "sha256": digest}],
    }


async def _sent(user: User, content: bytes) -> str:
    """An upload whose bytes are in the store, straight through the signed URL."""
    begun = await user.post(f"/spaces/{user.space}/uploads", {"uploads": [_chunk_list(content)]})
    (item,) = begun["items"]
    assert item["status"] == "new", item
    (url,) = item["urls"]
    async with user.http.put(url["url"], data=content, headers=url["headers"]) as answer:
        assert answer.status == 200, await answer.text()
    upload: str = item["upload"]["id"]
    return upload


async def _file(user: User, name: str, content: bytes = CONTENT) -> dict[str, Any]:
    upload = await _sent(user, content) if content else None
    target = {"kind": "file", "parent": user.root, "name": name, "upload": upload}
    done = await user.post(f"/spaces/{user.space}/commits", {"targets": [target]})
    (item,) = done["items"]
    assert item["status"] == "created", item
    found: dict[str, Any] = item
    return found


async def test_accounts(user: User, new_user: NewUser) -> None:
    account = await user.get("/account")
    assert (account["login"], account["space"]) == (user.login, user.space)
    devices = (await user.get("/account/devices"))["items"]
    assert [device["current"] for device in devices] == [True]
    body = {"old": user.password, "new": user.password[::-1]}
    answer, nothing = await user.send("PUT", "/account/password", json=body)
    assert (answer.status, nothing) == (204, None)
    answer, problem = await user.send("DELETE", "/account/devices/p" + "A" * 11)
    assert (answer.status, problem["code"]) == (404, "not-found")
    answer, _ = await user.send("DELETE", f"/account/devices/{devices[0]['id']}")
    assert answer.status == 204
    await user.get("/account", 401)
    other = await new_user()
    answer, _ = await other.send("DELETE", "/session")
    assert answer.status == 204
    await other.get("/account", 401)


async def test_a_file_from_nothing_to_its_ticket(user: User) -> None:
    made = await _file(user, "caf\u00e9 \U0001f9c0.txt")
    node = await user.get(f"/nodes/{made['node']}")
    assert (node["size"], node["status"]) == (len(CONTENT), "uploaded")
    chunks = await user.get(f"/nodes/{made['node']}/chunks")
    assert [chunk["length"] for chunk in chunks["items"]] == [len(CONTENT)]
    place = f"/nodes/{made['node']}/content"
    ticket = await user.get(place, headers={"Accept": "application/json"})
    assert ticket["size"] == len(CONTENT)
    answer, _ = await user.send("GET", place + "?disposition=inline")
    assert answer.status == 302
    where = urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == "https://localhost:8445/o"
    assert list(parse_qs(where.query)) == ["t"]
    many = await user.post("/tickets", {"targets": [{"node": made["node"]}], "chunks": True})
    assert many["items"][0]["ticket"]["size"] == len(CONTENT)
    left = datetime.fromisoformat(ticket["expires_at"]) - datetime.now(UTC)
    assert 200 < left.total_seconds() <= 300


async def test_the_empty_file_has_no_redirect(user: User) -> None:
    made = await _file(user, "empty", b"")
    answer, body = await user.send("GET", f"/nodes/{made['node']}/content")
    assert (answer.status, body) == (200, None)
    ticket = await user.get(
        f"/nodes/{made['node']}/content", headers={"Accept": "application/json"}
    )
    assert ticket["url"] is None


async def test_versions(user: User) -> None:
    first = await _file(user, "v")
    upload = await _sent(user, CONTENT + b"more")
    target = {
        "kind": "file", "parent": user.root, "name": "v", "upload": upload,
        "base": first["version"],
    }  # fmt: skip
    done = await user.post(f"/spaces/{user.space}/commits", {"targets": [target]})
    assert done["items"][0]["status"] == "version"
    again = await user.post(f"/spaces/{user.space}/commits", {"targets": [target]})
    assert again["items"][0]["status"] in ("conflict", "unchanged")
    place = f"/nodes/{first['node']}/versions"
    versions = (await user.get(place))["items"]
    assert [version["current"] for version in versions] == [True, False]
    key = {"Idempotency-Key": "restored-once"}
    restored = await user.post(f"{place}/{first['version']}/restore", {}, headers=key)
    assert restored == await user.post(f"{place}/{first['version']}/restore", {}, headers=key)
    assert len((await user.get(place))["items"]) == 3
    assert restored["size"] == len(CONTENT)
    body = {"version": restored["version"], "index": 0}
    answer, problem = await user.send("POST", f"/nodes/{first['node']}/mismatch", json=body)
    assert answer.status == 204
    answer, problem = await user.send("GET", f"/nodes/{first['node']}/content")
    assert (answer.status, problem["code"]) == (409, "blob-quarantined")


async def test_uploads(user: User) -> None:
    upload = await _sent(user, b"one thing")
    listed = (await user.get(f"/spaces/{user.space}/uploads"))["items"]
    assert upload in [item["id"] for item in listed]
    assert (await user.get(f"/uploads/{upload}"))["state"] in ("uploading", "uploaded")
    assert len((await user.get(f"/uploads/{upload}/chunks"))["items"]) == 1
    done = await user.post(f"/spaces/{user.space}/uploads/complete", {"uploads": [upload]})
    assert done["items"][0]["upload"]["state"] == "uploaded"
    assert (await user.post(f"/uploads/{upload}/complete", None))["state"] == "uploaded"
    known = await user.post(
        f"/spaces/{user.space}/uploads", {"uploads": [_chunk_list(b"one thing")]}
    )
    assert known["items"][0]["status"] == "known"

    begun = await user.post(
        f"/spaces/{user.space}/uploads", {"uploads": [_chunk_list(b"never sent")]}
    )
    other = begun["items"][0]["upload"]["id"]
    assert (await user.post(f"/uploads/{other}/urls", {"parts": [1]}))["urls"]
    answer, recorded = await user.send(
        "PATCH", f"/uploads/{other}/parts", json={"parts": [{"part": 1, "etag": '"0"'}]}
    )
    assert answer.status in (200, 409), recorded
    problem = await user.post(f"/uploads/{other}/complete", None, 409)
    assert problem["code"] in ("part-missing", "upload-state")
    answer, gone = await user.send("DELETE", f"/uploads/{other}")
    assert (answer.status, gone["state"] in ("aborting", "purged")) == (200, True)


async def test_an_idempotency_key_does_the_work_once(user: User) -> None:
    target = {"kind": "folder", "parent": user.root, "name": "once", "mode": 493}
    key = {"Idempotency-Key": "a-key-of-mine"}
    place = f"/spaces/{user.space}/commits"
    first = await user.post(place, {"targets": [target]}, headers=key)
    assert first == await user.post(place, {"targets": [target]}, headers=key)
    other = {"targets": [target | {"name": "twice"}]}
    problem = await user.post(place, other, 409, headers=key)
    assert problem["code"] == "idempotency-mismatch"
    problem = await user.post(place, other, 400, headers={"Idempotency-Key": "two words"})
    assert problem["code"] == "bad-request"


async def test_folders_moves_copies_and_trash(user: User) -> None:
    outer = await user.folder("outer")
    inner = await user.folder("inner", outer)
    assert (await user.get(f"/spaces/{user.space}/resolve?path=/outer/inner"))["id"] == inner
    found = await user.get(f"/spaces/{user.space}/find?q=INNER")
    assert [node["id"] for node in found["items"]] == [inner]
    children = await user.get(f"/nodes/{outer}/children?limit=1")
    assert ([node["id"] for node in children["items"]], children["next"]) == ([inner], None)
    listing = await user.post(f"/spaces/{user.space}/listing", {"parents": [user.root, outer]})
    assert {node["id"] for node in listing["items"]} == {outer, inner}
    answer, problem = await user.send("PATCH", f"/nodes/{outer}", json={"parent": inner})
    assert (answer.status, problem["code"]) == (409, "cycle")
    answer, moved = await user.send("PATCH", f"/nodes/{inner}", json={"name": "moved"})
    assert (answer.status, moved["name"]) == (200, "moved")
    assert int(answer.headers["Stowbay-Seq"]) == moved["rev"]
    copied = await user.post(f"/nodes/{outer}/copy", {"parent": user.root, "name": "copy"}, 201)
    answer, trashed = await user.send("DELETE", f"/nodes/{copied['id']}")
    assert (answer.status, trashed["trashed"]) == (200, True)
    page = await user.get(f"/spaces/{user.space}/trash")
    assert [item["node"]["id"] for item in page["items"]] == [copied["id"]]
    await user.post(f"/nodes/{copied['id']}/restore", {})
    await user.send("DELETE", f"/nodes/{copied['id']}")
    answer, _ = await user.send("DELETE", f"/spaces/{user.space}/trash")
    assert answer.status == 202 and "Stowbay-Seq" in answer.headers
    answer, _ = await user.send("DELETE", f"/nodes/{outer}?permanent=true&rev=99999")
    assert answer.status == 409
    answer, _ = await user.send("DELETE", f"/nodes/{outer}?permanent=true")
    assert answer.status == 204 and "Stowbay-Seq" in answer.headers


async def test_the_journal_is_paged_and_waited_for(user: User) -> None:
    await user.folder("a")
    page = await user.get(f"/spaces/{user.space}/changes")
    assert [change["name"] for change in page["items"]] == ["a"]
    place = f"/spaces/{user.space}/changes?wait=20&cursor={page['cursor']}"
    waiting = asyncio.create_task(user.get(place))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await user.folder("b")
    async with asyncio.timeout(1.5):  # well below the time between two polls
        page = await waiting
    assert [change["name"] for change in page["items"]] == ["b"]
    problem = await user.get(f"/spaces/{user.space}/changes?cursor=nonsense", 400)
    assert problem["code"] == "invalid-cursor"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_nothing_is_there_without_a_token_or_for_a_stranger(
    route: Any, user: User, http: ClientSession
) -> None:
    path = route.path
    for name in ("space", "node", "upload", "version", "token"):
        path = path.replace(f"{{{name}}}", "x")
    stranger = User(http, user.base, "", "", "sbt_" + "A" * 54, "", "")
    answer, problem = await stranger.send(route.method, path, json={})
    if route.auth:
        assert (answer.status, problem["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    answer, problem = await user.send(route.method, path, data=b"{", headers=_JSON)
    assert answer.status < 500, problem
    if route.request is not None:
        assert (answer.status, problem["code"]) == (400, "invalid-body")
