"""Upload, then commit, through nginx on both stores; and what bad input gets."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import protocol as p
from .instance import Instance, User

MIB = 1 << 20


def test_a_file_goes_in_and_comes_out(user: User) -> None:
    data = p.content(12 * MIB)
    (outcome,) = p.begin(user, data)
    assert outcome["status"] == "new"
    assert outcome["upload"]["missing"] == [1, 2, 3]
    upload = outcome["upload"]["id"]
    reply = p.record(user, upload, p.put_parts(user, outcome, data))
    assert (reply.status, reply.json) == (200, {"recorded": [1, 2, 3], "refused": []})
    assert p.complete(user, upload).json["state"] == "uploaded"
    (done,) = p.commit(user, p.file(user, "film", upload))
    assert done["status"] == "created"
    assert p.fetched(user, done["node"]) == data


def test_every_url_signs_its_length_and_its_sha256(user: User) -> None:
    for size in (3, 11 * MIB):
        (outcome,) = p.begin(user, p.content(size))
        for url in outcome["urls"]:
            signed = re.search(r"X-Amz-SignedHeaders=([^&]+)", url["url"])
            assert signed is not None
            names = signed[1].replace("%3B", ";").lower().split(";")
            assert {"content-length", "host", "x-amz-checksum-sha256"} <= set(names)


def test_known_resume_and_new(user: User) -> None:
    data = p.content(11 * MIB)
    (first,) = p.begin(user, data)
    parts = p.put_parts(user, {"urls": first["urls"][:2]}, data)
    p.record(user, first["upload"]["id"], parts[:1])
    (again,) = p.begin(user, data)
    assert (again["status"], again["upload"]["id"]) == ("resume", first["upload"]["id"])
    # The second part was never reported; the store was asked.
    assert again["upload"]["missing"] == [3]
    assert [url["part"] for url in again["urls"]] == [3]
    p.record(user, first["upload"]["id"], p.put_parts(user, again, data))
    assert p.complete(user, first["upload"]["id"]).status == 200
    (known,) = p.begin(user, data)
    assert (known["status"], known["upload"]["id"]) == ("known", first["upload"]["id"])


def test_nothing_is_known_across_spaces(instance: Instance, user: User, tmp_path: Path) -> None:
    data = p.content(100)
    p.stored(user, "mine", data)
    (outcome,) = p.begin(instance.user(tmp_path), data)
    assert outcome["status"] == "new"


def test_a_batch_of_small_files_is_one_commit(user: User) -> None:
    files = [b"%d" % number + p.content(50) for number in range(40)]
    outcomes = p.begin(user, *files)
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(p.put_parts, user, outcome, data)
            for outcome, data in zip(outcomes, files, strict=True)
        ]
        assert all(job.result() for job in jobs)
    targets = [
        p.file(user, f"f{number}", outcome["upload"]["id"])
        for number, outcome in enumerate(outcomes)
    ]
    done = p.commit(user, *targets)
    assert {item["status"] for item in done} == {"created"}
    assert p.fetched(user, done[17]["node"]) == files[17]


def test_one_that_never_arrived_fails_alone(user: User) -> None:
    here, missing = p.content(10), p.content(10)
    first, second = p.begin(user, here, missing)
    p.put_parts(user, first, here)
    done = p.commit(
        user,
        p.file(user, "here", first["upload"]["id"]),
        p.file(user, "missing", second["upload"]["id"]),
    )
    assert [item["status"] for item in done] == ["created", "error"]
    assert done[1]["code"] == "part-missing"


def test_the_empty_file_needs_no_upload(user: User) -> None:
    (outcome,) = p.begin(user, b"")
    assert outcome["status"] == "empty"
    done = p.stored(user, "nothing", b"")
    node = user.call("GET", f"/api/v1/nodes/{done['node']}").json
    assert (node["size"], node["sha256"]) == (0, hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize("size", [20, 11 * MIB])
def test_wrong_bytes_are_refused_by_the_store(user: User, size: int) -> None:
    data = p.content(size)
    (outcome,) = p.begin(user, data)
    url, right = outcome["urls"][0], p.cut(data)[0]
    wrong = right[:-1] + bytes([right[-1] ^ 1])
    assert p.put(user, url, wrong).status in (400, 403)
    assert p.put(user, url, right + b"x").status in (400, 403)
    forged = {"x_amz_checksum_sha256": "A" * 43 + "="}
    assert p.put(user, url, wrong, **forged).status in (400, 403)
    assert p.state(user, outcome["upload"]["id"]) == "uploading"
    assert p.put(user, url, right).status == 200


def test_complete_called_early_names_what_is_missing(user: User) -> None:
    data = p.content(16 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    p.record(user, upload, p.put_parts(user, {"urls": outcome["urls"][:1]}, data))
    reply = p.complete(user, upload)
    assert (reply.status, reply.json["code"]) == (409, "part-missing")
    assert reply.json["parts"] == [[2, 4]]
    (again,) = p.begin(user, data)
    p.record(user, upload, p.put_parts(user, again, data))
    assert p.complete(user, upload).status == 200


def test_a_false_etag_and_a_part_never_sent_are_refused_by_number(user: User) -> None:
    data = p.content(16 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    parts = p.put_parts(user, {"urls": outcome["urls"][:2]}, data)
    parts[1]["etag"] = '"00000000000000000000000000000000"'
    parts.append({"part": 3, "etag": parts[0]["etag"]})
    parts.append({"part": 999, "etag": parts[0]["etag"]})
    reply = p.record(user, upload, parts)
    assert reply.status == 200
    assert reply.json["recorded"] == [1]
    codes = {item["part"]: item["code"] for item in reply.json["refused"]}
    assert codes[2] == "part-mismatch"
    assert codes[3] == "part-missing"
    assert 999 in codes


def test_complete_twice_and_from_many_at_once_gives_one_answer(user: User) -> None:
    data = p.content(11 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    p.record(user, upload, p.put_parts(user, outcome, data))
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: p.complete(user, upload), range(6)))
    assert {reply.status for reply in replies} == {200}
    assert {reply.json["state"] for reply in replies} == {"uploaded"}
    assert p.complete(user, upload).json["state"] == "uploaded"
    assert p.fetched(user, p.commit(user, p.file(user, "one", upload))[0]["node"]) == data


def test_complete_against_abort_has_one_winner(user: User) -> None:
    for _ in range(4):
        data = p.content(6 * MIB)
        (outcome,) = p.begin(user, data)
        upload = outcome["upload"]["id"]
        p.record(user, upload, p.put_parts(user, outcome, data))
        with ThreadPoolExecutor(2) as pool:
            completed = pool.submit(p.complete, user, upload)
            aborted = pool.submit(user.call, "DELETE", f"/api/v1/uploads/{upload}")
        replies = {"complete": completed.result(), "abort": aborted.result()}
        won = [name for name, reply in replies.items() if reply.status == 200]
        assert len(won) == 1, {name: reply.body for name, reply in replies.items()}
        lost = next(reply for name, reply in replies.items() if name not in won)
        assert (lost.status, lost.json["code"]) == (409, "upload-state")
        (done,) = p.commit(user, p.file(user, f"race-{upload[-6:]}", upload))
        if won == ["complete"]:
            assert p.fetched(user, done["node"]) == data
        else:
            assert done["status"] == "error"


def test_an_aborted_upload_takes_no_more_parts(user: User) -> None:
    data = p.content(11 * MIB)
    (outcome,) = p.begin(user, data)
    upload = outcome["upload"]["id"]
    p.put_parts(user, {"urls": outcome["urls"][:1]}, data)
    reply = user.call("DELETE", f"/api/v1/uploads/{upload}")
    assert reply.json["state"] in ("aborting", "purged")
    assert p.put(user, outcome["urls"][1], p.cut(data)[1]).status == 404
    assert p.complete(user, upload).json["code"] == "upload-state"
    reply = user.call("POST", f"/api/v1/uploads/{upload}/urls", {"parts": [1]})
    assert (reply.status, reply.json["code"]) == (409, "upload-state")
    (fresh,) = p.begin(user, data)
    assert (fresh["status"], fresh["upload"]["id"] != upload) == ("new", True)


def test_open_uploads_are_listed_for_their_author(user: User) -> None:
    data = p.content(30)
    (outcome,) = p.begin(user, data)
    listed = user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]
    assert outcome["upload"]["id"] in [item["id"] for item in listed]
    p.put_parts(user, outcome, data)
    p.complete(user, outcome["upload"]["id"])
    listed = user.call("GET", f"/api/v1/spaces/{user.space}/uploads").json["items"]
    assert outcome["upload"]["id"] not in [item["id"] for item in listed]


def _bad(**change: object) -> dict[str, object]:
    return p.described(b"y" * (11 * MIB)) | change


@pytest.mark.parametrize(
    "upload",
    [
        _bad(size=7),
        _bad(chunks=[]),
        _bad(chunks=[{"length": 11 * MIB, "sha256": "0" * 64}]),
        _bad(chunks=[{"length": n, "sha256": "0" * 64} for n in (4 * MIB, 7 * MIB)]),
        _bad(chunks=[{"length": n, "sha256": "0" * 64} for n in (11 * MIB, 0)]),
        _bad(fingerprint="0" * 64),
    ],
    ids=["sum", "empty", "too long", "too short", "zero", "fingerprint"],
)
def test_a_chunk_list_that_lies_is_refused_alone(user: User, upload: dict[str, object]) -> None:
    body = {"uploads": [upload, p.described(b"good")]}
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", body)
    assert reply.status == 200, reply.body
    bad, good = reply.json["items"]
    assert (bad["status"], bad["code"]) == ("error", "invalid-chunk-list")
    assert good["status"] == "new"


def test_more_chunks_than_s3_has_parts_are_refused(user: User) -> None:
    chunk = {"length": 5 * MIB, "sha256": "0" * 64}
    body = {"uploads": [{"size": 5 * MIB * 10_001, "chunks": [chunk] * 10_001}]}
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", body)
    assert (reply.status, reply.json["code"]) == (400, "invalid-body")


def test_a_lie_in_one_chunk_never_becomes_a_file(user: User) -> None:
    """The chunk list says other bytes than those sent: the store refuses them at the PUT."""
    data = p.content(11 * MIB)
    request = p.described(data)
    request["chunks"][1]["sha256"] = "ab" * 32
    reply = user.call("POST", f"/api/v1/spaces/{user.space}/uploads", {"uploads": [request]})
    (outcome,) = reply.json["items"]
    upload, pieces = outcome["upload"]["id"], p.cut(data)
    statuses = [p.put(user, url, pieces[url["part"] - 1]).status for url in outcome["urls"]]
    assert [status == 200 for status in statuses] == [True, False, True]
    assert p.complete(user, upload).json["code"] == "part-missing"


def test_a_quota_holds_also_against_many_at_once(instance: Instance, tmp_path: Path) -> None:
    user = instance.user(tmp_path, "--quota", "1M")
    files = [p.content(200_000) for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = [item for (item,) in pool.map(lambda data: p.begin(user, data), files)]
    refused = [item for item in outcomes if item["status"] == "error"]
    assert refused
    assert {item["code"] for item in refused} == {"quota-exceeded"}
    names = []
    for number, (outcome, data) in enumerate(zip(outcomes, files, strict=True)):
        if outcome["status"] == "new":
            p.put_parts(user, outcome, data)
            names.append(p.file(user, f"q{number}", outcome["upload"]["id"]))
    with ThreadPoolExecutor(6) as pool:
        done = [item for (item,) in pool.map(lambda target: p.commit(user, target), names)]
    space = user.call("GET", f"/api/v1/spaces/{user.space}").json
    created = sum(item["status"] == "created" for item in done)
    assert space["used_bytes"] == created * 200_000 <= MIB
    assert created == 5


def test_other_peoples_ids_look_like_ids_that_do_not_exist(
    instance: Instance, user: User, tmp_path: Path
) -> None:
    other = instance.user(tmp_path)
    data = p.content(40)
    done = p.stored(user, "private", data)
    (outcome,) = p.begin(user, p.content(11 * MIB))
    upload = outcome["upload"]["id"]
    ghost = "n" + "A" * 21 + "Q"
    calls = [
        ("GET", f"/api/v1/nodes/{done['node']}", None),
        ("GET", f"/api/v1/nodes/{done['node']}/content", None),
        ("GET", f"/api/v1/nodes/{done['node']}/versions", None),
        ("GET", f"/api/v1/nodes/{done['node']}/chunks", None),
        ("PATCH", f"/api/v1/nodes/{done['node']}", {"name": "stolen"}),
        ("DELETE", f"/api/v1/nodes/{done['node']}", None),
        ("GET", f"/api/v1/uploads/{upload}", None),
        ("POST", f"/api/v1/uploads/{upload}/complete", None),
        ("DELETE", f"/api/v1/uploads/{upload}", None),
        ("GET", f"/api/v1/spaces/{user.space}", None),
        ("GET", f"/api/v1/spaces/{user.space}/changes", None),
        ("GET", f"/api/v1/nodes/{ghost}", None),
    ]
    for method, path, body in calls:
        reply = other.call(method, path, body)
        assert (reply.status, reply.json["code"]) == (404, "not-found"), (method, path)
    for target in (p.file(user, "x", None), p.file(other, "x", done["version"].replace("v", "u"))):
        (refused,) = p.commit(other, target)
        assert refused["code"] == "not-found"


def test_a_repeated_begin_by_idempotency_key_signs_anew(user: User) -> None:
    data = p.content(50)
    first = p.begin(user, data, Idempotency_Key="begin-1")[0]
    again = p.begin(user, data, Idempotency_Key="begin-1")[0]
    assert again["upload"]["id"] == first["upload"]["id"]
    other = {"uploads": [p.described(b"something else")]}
    path = f"/api/v1/spaces/{user.space}/uploads"
    reply = user.call("POST", path, other, Idempotency_Key="begin-1")
    assert (reply.status, reply.json["code"]) == (409, "idempotency-mismatch")


def test_a_repeated_commit_by_idempotency_key_answers_the_same(user: User) -> None:
    target = p.file(user, "once", p.uploaded(user, p.content(50)))
    first = p.commit(user, target, Idempotency_Key="commit-1")
    assert p.commit(user, target, Idempotency_Key="commit-1") == first
    (conflict,) = p.commit(user, target)
    assert conflict["status"] in ("conflict", "unchanged")
