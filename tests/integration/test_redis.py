"""With Redis stopped, flushed or restarted from an old dump: right answers; nothing comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from . import protocol as p
from .instance import Instance, User


def _redis(instance: Instance) -> Redis:
    return Redis.from_url(instance.settings["redis_url"], protocol=2)


@contextmanager
def _stopped(instance: Instance) -> Iterator[None]:
    pid = instance.pid("redis")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _name(user: User, node: str) -> str:
    reply = user.call("GET", f"/api/v1/nodes/{node}")
    assert reply.status == 200, reply.body
    return str(reply.json["name"])


def _rename(user: User, node: str, name: str) -> None:
    assert user.call("PATCH", f"/api/v1/nodes/{node}", {"name": name}).status == 200


def test_right_answers_while_redis_hangs(instance: Instance, user: User) -> None:
    node = p.stored(user, "r0", b"x")["node"]
    assert _name(user, node) == "r0"
    with _stopped(instance):
        _rename(user, node, "r1")
        assert _name(user, node) == "r1"
        assert p.fetched(user, node) == b"x"
    # What was cached before the hang must not be served after it.
    for _ in range(10):
        assert _name(user, node) == "r1"
        time.sleep(0.3)


def test_right_answers_after_a_flush(instance: Instance, user: User) -> None:
    node = p.stored(user, "f0", b"x")["node"]
    assert _name(user, node) == "f0"
    _redis(instance).flushall()
    _rename(user, node, "f1")
    assert _name(user, node) == "f1"


def test_nothing_comes_back_from_an_old_dump(instance: Instance, user: User) -> None:
    """A revoked token and a renamed node, both in a dump made before, and Redis restarted on it."""
    node = p.stored(user, "d0", b"x")["node"]
    body = {"login": user.login, "password": user.password, "device": "lost laptop"}
    session = instance.call("POST", "/api/v1/session", body).json
    stolen = {"Authorization": f"Bearer {session['token']}"}
    assert instance.call("GET", f"/api/v1/nodes/{node}", headers=stolen).status == 200
    redis = _redis(instance)
    folder = redis.config_get("dir")["dir"]
    redis.save()
    held = redis.dbsize()
    assert held > 0
    assert user.call("DELETE", f"/api/v1/account/devices/{session['device_id']}").status == 204
    _rename(user, node, "d1")
    instance.kill("redis")
    _wait_for_redis(instance)
    dump = Path(folder) / "dump.rdb"
    assert dump.exists()
    for _ in range(5):
        assert instance.call("GET", f"/api/v1/nodes/{node}", headers=stolen).status == 401
        assert _name(user, node) == "d1"
        time.sleep(0.2)
    dump.unlink()


def _wait_for_redis(instance: Instance) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            _redis(instance).ping()
            return
        except RedisError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
