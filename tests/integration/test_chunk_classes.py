"""A file of larger chunks than its size asks for: its next version is cut like it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.client.cutter import cut_file
from appliance.domain.chunking import class_limits

from . import protocol as p
from .instance import User

MIB = 1 << 20


def _uploaded_in_class(user: User, place: Path, name: str, chunk_class: int) -> str:
    """The node of a file that was cut in that class and sent by hand."""
    cut, _ = cut_file(str(place), chunk_class)
    assert cut.chunk_class == chunk_class
    body = {
        "size": cut.size,
        "chunk_class": chunk_class,
        "sha256": cut.sha256.hex(),
        "chunks": [{"length": c.length, "sha256": c.sha256.hex()} for c in cut.chunks],
    }
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", {"uploads": [body]})
    (begun,) = reply.json["items"]
    assert begun["status"] == "new", begun
    data, done = place.read_bytes(), []
    for url in begun["urls"]:
        at = sum(chunk.length for chunk in cut.chunks[: url["part"] - 1])
        reply = p.put(user, url, data[at : at + cut.chunks[url["part"] - 1].length])
        assert reply.status == 200, reply.body
        done.append({"part": url["part"], "etag": reply.headers["ETag"]})
    upload = begun["upload"]["id"]
    assert p.record(user, upload, done).status == 200
    assert p.complete(user, upload).status == 200
    (outcome,) = p.commit(user, p.file(user, name, upload))
    assert outcome["status"] == "created", outcome
    return str(outcome["node"])


def _chunks(user: User, node: str) -> dict[str, Any]:
    reply = user.call("GET", f"/api/v1/nodes/{node}/chunks")
    assert reply.status == 200, reply.body
    return dict(reply.json)


@pytest.mark.parametrize("chunk_class", [1, 2])
def test_a_higher_class_there_and_back_and_its_next_version(
    user: User, tmp_path: Path, chunk_class: int
) -> None:
    place, back = tmp_path / "big", tmp_path / "back"
    place.write_bytes(os.urandom(70 * MIB))
    node = _uploaded_in_class(user, place, "big", chunk_class)
    user.stowbay("get", "/big", back)
    assert back.read_bytes() == place.read_bytes()
    before = _chunks(user, node)

    with place.open("r+b") as file:
        file.seek(35 * MIB)
        file.write(b"changed in the middle")
    [entry] = user.json("put", place, "/big")["files"]
    assert (entry["result"], entry["how"]) == ("version", "new")
    after = _chunks(user, node)
    assert after["chunk_class"] == before["chunk_class"] == chunk_class
    low, _, high = class_limits(chunk_class)
    assert all(low <= chunk["length"] <= high for chunk in after["items"][:-1])
    old, new = ({chunk["sha256"] for chunk in each["items"]} for each in (before, after))
    assert old & new, "cut alike, the untouched ends are the same chunks"
    user.stowbay("get", "/big", back)
    assert back.read_bytes() == place.read_bytes()


def test_a_chunk_is_refused_outside_its_class(user: User) -> None:
    data = p.content(12 * MIB)  # in pieces of 5 MiB: too small for class 1
    body = {"uploads": [p.described(data) | {"chunk_class": 1}]}
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", body)
    (item,) = reply.json["items"]
    assert (item["status"], item["code"]) == ("error", "invalid-chunk-list")
