"""The upload protocol by hand, step by step, for tests that stop or lie between two steps."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import Any

from .instance import Reply, User

CHUNK = 5 << 20  # the smallest that class 0 allows, so that files of many parts stay small


def content(size: int) -> bytes:
    return os.urandom(size)


def cut(data: bytes, size: int = CHUNK) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def described(data: bytes, size: int = CHUNK) -> dict[str, Any]:
    """The request for one upload."""
    return {
        "size": len(data),
        "chunk_class": 0,
        "sha256": hashlib.sha256(data).hexdigest(),
        "chunks": [
            {"length": len(chunk), "sha256": hashlib.sha256(chunk).hexdigest()}
            for chunk in cut(data, size)
        ],
    }


def root(user: User) -> str:
    reply = user.call("GET", f"/api/v1/spaces/{user.space}")
    assert reply.status == 200, reply.body
    return str(reply.json["root"])


def begin(user: User, *files: bytes, **headers: str) -> list[dict[str, Any]]:
    body = {"uploads": [described(data) for data in files]}
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", body, **headers)
    assert reply.status == 200, reply.body
    return list(reply.json["items"])


def put(user: User, url: dict[str, Any], data: bytes, **headers: str) -> Reply:
    """One PUT to the upload host, exactly as signed unless told otherwise."""
    given = dict(url["headers"]) | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    given.pop("content-length", None)  # the HTTP library counts by itself
    given.pop("Content-Length", None)
    return user.instance.call("PUT", url["url"], raw=data, headers=given)


def put_parts(user: User, outcome: dict[str, Any], data: bytes) -> list[dict[str, Any]]:
    """All parts that `outcome` has URLs for; (part, etag) as a PATCH takes them."""
    pieces, done = cut(data), []
    for url in outcome["urls"]:
        reply = put(user, url, pieces[url["part"] - 1])
        assert reply.status == 200, reply.body
        done.append({"part": url["part"], "etag": reply.headers["ETag"]})
    return done


def record(user: User, upload: str, parts: Iterable[dict[str, Any]]) -> Reply:
    return user.call("PATCH", f"/api/v1/uploads/{upload}/parts", {"parts": list(parts)})


def complete(user: User, upload: str) -> Reply:
    return user.call("POST", f"/api/v1/uploads/{upload}/complete")


def state(user: User, upload: str) -> str:
    reply = user.call("GET", f"/api/v1/uploads/{upload}")
    assert reply.status == 200, reply.body
    return str(reply.json["state"])


def commit(user: User, *targets: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
    path = f"/api/v1/spaces/{user.space}/commits"
    reply = user.call("POST", path, {"targets": list(targets)}, **headers)
    assert reply.status == 200, reply.body
    return list(reply.json["items"])


def file(user: User, name: str, upload: str | None, **more: Any) -> dict[str, Any]:
    return {"kind": "file", "parent": root(user), "name": name, "upload": upload, **more}


def uploaded(user: User, data: bytes) -> str:
    """The id of a finished upload."""
    (outcome,) = begin(user, data)
    upload = str(outcome["upload"]["id"])
    if outcome["status"] != "known":
        parts = put_parts(user, outcome, data)
        if parts and outcome["upload"]["method"] == "multipart":
            reply = record(user, upload, parts)
            assert reply.status == 200, reply.body
        reply = complete(user, upload)
        assert reply.status == 200, reply.body
    return upload


def stored(user: User, name: str, data: bytes) -> dict[str, Any]:
    """A committed file; the commit's outcome."""
    (outcome,) = commit(user, file(user, name, uploaded(user, data) if data else None))
    assert outcome["status"] == "created", outcome
    return outcome


def ticket(user: User, node: str, query: str = "") -> dict[str, Any]:
    reply = user.call("GET", f"/api/v1/nodes/{node}/content{query}", Accept="application/json")
    assert reply.status == 200, reply.body
    return dict(reply.json)


def fetched(user: User, node: str) -> bytes:
    reply = user.instance.call("GET", ticket(user, node)["url"])
    assert reply.status == 200, reply.body
    return reply.body
