"""The rights that Ansible gives the appliance in Redis are enough for it, and no more."""

from __future__ import annotations

import asyncio
import re
import time
from hashlib import sha256
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from appliance.cache.connection import Link
from appliance.cache.inspection import inspect
from appliance.cache.metadata import MetadataCache
from appliance.cache.wakeups import Wakeups

from .conftest import RedisServer

PASSWORD = "a-password"
TEMPLATE = Path(__file__).parents[2] / "ansible/roles/redis/templates/redis.conf.j2"


@pytest.fixture
def limited(redis_server: RedisServer) -> str:
    """The server's url after the user `default` has become what the template says."""
    (line,) = re.findall(r"^user default (.+)$", TEMPLATE.read_text(), re.M)
    rules = re.sub(r"#\{\{.+?\}\}", f"#{sha256(PASSWORD.encode()).hexdigest()}", line)
    host = redis_server.plain()
    if tuple(map(int, host.info("server")["redis_version"].split(".")[:2])) < (7, 2):
        rules = rules.replace("+client|setinfo", "")  # Debian 12's doesn't know it
    host.execute_command("ACL", "SETUSER", "default", "reset", *rules.split())
    return f"redis://:{PASSWORD}@127.0.0.1:{redis_server.port}/0"


async def test_they_are_enough(limited: str) -> None:
    link = Link(limited, monotonic=time.monotonic)
    cache = MetadataCache(link)
    wakeups = Wakeups(link, limited)
    wakeups.start()
    deadline = time.monotonic() + 5
    while not wakeups.listening:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await cache.put_auth(1, 2, b"caller")
    await cache.put_node(1, 2, 3, b"node")
    assert await cache.get_auth_and_node(1, 2, 1, 2, None) == (b"caller", b"node")
    await cache.drop_auth(1, [2])
    await cache.drop_nodes(1, [2], 4)
    await cache.tree_moved(1, 4)
    await cache.tree_moved(1, 3)
    assert await cache.get_auth_and_node(1, 2, 1, 2, None) == (None, None)
    assert await cache.ping()
    assert await link.ask("FLUSHDB") == b"OK"
    other = Wakeups(link, "")
    waiting = asyncio.create_task(wakeups.wait(5, 1, 10))
    await asyncio.sleep(0.05)
    started = time.monotonic()
    await other.publish(5, 2)
    await waiting
    assert time.monotonic() - started < 2
    assert link.failures == 0
    await wakeups.close()
    await link.close()


async def test_they_are_enough_for_the_doctor(limited: str) -> None:
    state = await inspect(limited, 2.0)
    assert (state.persists, state.bound, state.policy) == ("", 0, "noeviction")
    assert state.used > 0
    with pytest.raises(ConnectionError, match="WRONGPASS"):
        await inspect(limited.replace(PASSWORD, "another"), 2.0)


async def test_the_doctor_sees_dumps_without_the_right_to_read_settings(
    redis_server: RedisServer,
) -> None:
    host = redis_server.plain()
    host.config_set("save", "3600 1")
    assert (await inspect(redis_server.url, 2.0)).persists == "save 3600 1"
    host.config_set("save", "")
    host.save()
    assert (await inspect(redis_server.url, 2.0)).persists == ""
    host.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "+info", "+select")
    assert (await inspect(redis_server.url, 2.0)).persists == "1 dumps since its start"


@pytest.mark.parametrize(
    "command",
    [
        "KEYS *", "SCAN 0", "FLUSHALL", "CONFIG GET *", "CONFIG SET maxmemory 1", "CONFIG REWRITE",
        "ACL LIST", "REPLICAOF NO ONE", "SAVE", "BGSAVE", "SHUTDOWN", "MONITOR",
        "CLIENT LIST", "CLIENT KILL TYPE normal", "MODULE LIST", "SCRIPT FLUSH", "FAILOVER",
        "FUNCTION LIST", "SYNC", "PSYNC ? -1", "SUBSCRIBE other", "PUBLISH other x", "DEL n:1:2",
        "SWAPDB 0 1", "MIGRATE h 1 k 0 1",
    ],
)  # fmt: skip
def test_nothing_else_is_allowed(limited: str, command: str) -> None:
    with Redis.from_url(limited, protocol=2) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.split())
