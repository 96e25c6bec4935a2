"""An upload URL outlives the upload: bytes sent with it later must not stay in the store."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

from . import protocol as p
from .inside import object_keys
from .instance import Instance, User
from .test_crashes import _doomed

_URL_SECONDS = 8


def test_a_put_after_the_abort_is_purged(instance: Instance, user: User, tmp_path: Path) -> None:
    hurried = _hurried(instance, tmp_path)
    data = p.content(3000)
    with _doomed(hurried, "no such step") as gateway:
        body = {"uploads": [p.described(data)]}
        (outcome,) = gateway.call(user, "POST", f"/api/v1/spaces/{user.space}/uploads", body)[
            "items"
        ]
    upload, (url,) = outcome["upload"]["id"], outcome["urls"]
    assert outcome["upload"]["method"] == "single"
    assert p.put(user, url, data).status == 200
    assert len(object_keys(user)) == 1
    reply = user.call("DELETE", f"/api/v1/uploads/{upload}")
    assert (reply.status, reply.json["state"]) == (200, "purged")
    assert object_keys(user) == []

    replayed = p.put(user, url, data)
    assert replayed.status == 200, replayed.body  # the store knows nothing of the abort
    assert len(object_keys(user)) == 1
    (fresh,) = p.begin(user, data)
    assert (fresh["status"], fresh["upload"]["id"] != upload) == ("new", True)
    user.call("DELETE", f"/api/v1/uploads/{fresh['upload']['id']}")
    deadline = time.monotonic() + _URL_SECONDS + 60
    while object_keys(user):
        assert time.monotonic() < deadline
        time.sleep(0.5)
        hurried.worker("--job", "uploads", "--stuck-seconds", "0")
    assert p.put(user, url, data).status == 403, "the URL has expired"
    assert object_keys(user) == []
    reply = user.call("GET", f"/api/v1/uploads/{upload}")
    assert reply.status == 404 or reply.json["state"] == "purged"
    (again,) = p.begin(user, data)
    assert (again["status"], again["upload"]["missing"]) == ("new", [1])


def _hurried(instance: Instance, folder: Path) -> Instance:
    """The same servers' settings with short-lived URLs, for processes of the test's own."""
    settings = instance.settings
    settings["limits"] |= {"part_url_seconds": _URL_SECONDS, "put_grace_seconds": 0}
    place = folder / "hurried.json"
    place.touch(0o600)
    place.write_text(json.dumps(settings))
    return replace(instance, extra=instance.extra | {"STOWBAY_CONFIG": str(place)})
