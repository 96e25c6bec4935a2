"""What the cache may answer, and what it must never."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from appliance.cache.connection import BEAT_KEY, RUN_KEY, Link
from appliance.cache.metadata import MARK_SECONDS, MetadataCache

from .conftest import RedisServer

SPACE, NODE, USER, TOKEN = (1 << 63) - 1, 77, 12, (1 << 62) + 3


async def test_a_node_comes_back_as_its_bytes(cache: MetadataCache) -> None:
    body = b'{"name":"a\\nb"}\n\n'
    await cache.put_node(SPACE, NODE, 5, body)
    assert await cache.get_node(SPACE, NODE) == body
    assert await cache.get_node(SPACE, NODE + 1) is None
    assert await cache.get_node(SPACE - 1, NODE) is None


async def test_an_older_snapshot_never_replaces_a_newer(cache: MetadataCache) -> None:
    await cache.put_node(SPACE, NODE, 10, b"new")
    await cache.put_node(SPACE, NODE, 9, b"old")
    assert await cache.get_node(SPACE, NODE) == b"new"
    await cache.put_node(SPACE, NODE, 100, b"newest")
    assert await cache.get_node(SPACE, NODE) == b"newest"


async def test_a_reader_never_sees_less_than_it_has_seen(cache: MetadataCache) -> None:
    await cache.put_node(SPACE, NODE, 10, b"ten")
    assert await cache.get_node(SPACE, NODE, 10) == b"ten"
    assert await cache.get_node(SPACE, NODE, 11) is None


async def test_a_change_leaves_a_mark_for_late_readers(cache: MetadataCache) -> None:
    await cache.put_node(SPACE, NODE, 10, b"before")
    await cache.drop_nodes(SPACE, [NODE], 11)
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 10, b"before")
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 11, b"after")
    assert await cache.get_node(SPACE, NODE) == b"after"
    await cache.drop_nodes(SPACE, [NODE], 9)  # a late word of an older change
    assert await cache.get_node(SPACE, NODE) == b"after"


async def test_a_mark_that_is_made_again_lives_on(
    cache: MetadataCache, redis_server: RedisServer
) -> None:
    """A mark may come before its change, as of the next seq; the change then counts from itself."""
    await cache.drop_nodes(1, [5], 8)
    redis_server.plain().expire("n:1:5", 3)
    await cache.drop_nodes(1, [5], 8)
    assert redis_server.plain().ttl("n:1:5") > 20


async def test_a_moved_tree_voids_what_was_read_before(cache: MetadataCache) -> None:
    await cache.put_node(SPACE, NODE, 10, b"in the folder")
    await cache.tree_moved(SPACE, 12)
    await cache.tree_moved(SPACE, 11)
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 11, b"overtaken")
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 12, b"in the trash")
    assert await cache.get_node(SPACE, NODE) == b"in the trash"


async def test_a_revoked_session_stays_revoked(cache: MetadataCache) -> None:
    await cache.put_auth(USER, TOKEN, b"caller")
    assert await cache.get_auth(USER, TOKEN) == b"caller"
    await cache.drop_auth(USER, [TOKEN])
    await cache.put_auth(USER, TOKEN, b"caller")  # read before the revocation, put after it
    assert await cache.get_auth(USER, TOKEN) is None


async def test_one_round_trip_answers_a_stat(cache: MetadataCache) -> None:
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, None) == (None, None)
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.put_node(SPACE, NODE, 3, b"node")
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, 3) == (b"caller", b"node")
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, 4) == (b"caller", None)
    assert (cache.hits, cache.misses) == (3, 3)


async def test_everything_dies_by_itself(cache: MetadataCache, redis_server: RedisServer) -> None:
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.drop_auth(USER, [TOKEN + 1])
    await cache.put_node(SPACE, NODE, 3, b"node")
    await cache.drop_nodes(SPACE, [NODE + 1], 3)
    await cache.tree_moved(SPACE, 3)
    plain = redis_server.plain()
    keys = set(plain.keys()) - {RUN_KEY.encode(), BEAT_KEY.encode()}
    assert len(keys) == 5
    assert all(0 < plain.ttl(key) <= MARK_SECONDS for key in keys)


async def test_an_old_dump_never_serves(redis_server: RedisServer, link: Link) -> None:
    cache = MetadataCache(link)
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.plain().save()  # the old dump: it holds a session that is revoked next
    await cache.drop_auth(USER, [TOKEN])
    redis_server.stop(signal.SIGKILL)
    redis_server.start()
    assert redis_server.plain().exists(f"a:{USER:x}:{TOKEN:x}") == 1  # it really was in there

    async def settled() -> bool:
        await cache.get_node(SPACE, NODE)
        return link.up

    for _ in range(100):
        assert await cache.get_auth(USER, TOKEN) is None
        if await settled():
            break
        await asyncio.sleep(0.02)
    assert link.up
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, None) == (None, None)
    assert redis_server.plain().exists(f"a:{USER:x}:{TOKEN:x}") == 0

    fresh = Link(redis_server.url, monotonic=time.monotonic)
    await cache.put_node(SPACE, NODE, 4, b"since")
    assert await MetadataCache(fresh).get_node(SPACE, NODE) == b"since"  # flushed once, not always
    await fresh.close()


async def test_a_flush_only_costs(cache: MetadataCache, redis_server: RedisServer) -> None:
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.plain().flushall()
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 3, b"node")
    assert await cache.get_node(SPACE, NODE) == b"node"


async def test_a_frozen_redis_costs_one_short_wait_a_pause(
    redis_server: RedisServer,
) -> None:
    link = Link(redis_server.url, monotonic=time.monotonic, pause=1.0)
    cache = MetadataCache(link)
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.freeze()
    started = time.monotonic()
    for _ in range(200):
        assert await cache.get_node(SPACE, NODE) is None
    assert time.monotonic() - started < 0.2
    assert link.failures == 1
    await link.close()


async def test_what_could_not_be_invalidated_is_flushed(
    redis_server: RedisServer, link: Link, cache: MetadataCache
) -> None:
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.freeze()
    await cache.drop_auth(USER, [TOKEN])
    redis_server.thaw()
    deadline = time.monotonic() + 5
    while not link.up and time.monotonic() < deadline:
        assert await cache.get_auth(USER, TOKEN) is None
        await asyncio.sleep(0.02)
    assert link.up
    assert await cache.get_auth(USER, TOKEN) is None
    assert await cache.get_node(SPACE, NODE) is None


@pytest.mark.parametrize("frozen", [0.0, 0.4, 1.5], ids=lambda seconds: f"{seconds}s")
async def test_what_one_process_could_not_invalidate_no_other_serves(
    redis_server: RedisServer, frozen: float
) -> None:
    """The other one has not even noticed that Redis hung: it had nothing to ask."""
    writer = Link(redis_server.url, monotonic=time.monotonic)
    reader = Link(redis_server.url, monotonic=time.monotonic)
    cache, other = MetadataCache(writer), MetadataCache(reader)
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.put_node(SPACE, NODE, 3, b"node")
    assert await other.get_auth(USER, TOKEN) == b"caller"
    redis_server.freeze()
    assert await cache.get_auth(USER, TOKEN) is None  # the breaker is open: nothing is even sent
    revoking = asyncio.create_task(cache.drop_auth(USER, [TOKEN]))
    changing = asyncio.create_task(cache.drop_nodes(SPACE, [NODE], 4))
    await asyncio.sleep(frozen)
    redis_server.thaw()
    await asyncio.gather(revoking, changing)
    for _ in range(60):
        assert await other.get_auth(USER, TOKEN) is None
        assert await other.get_node(SPACE, NODE) is None
        await asyncio.sleep(0.02)
    assert writer.up
    assert reader.up
    await writer.close()
    await reader.close()


async def test_a_long_loss_of_redis_delays_no_change(
    redis_server: RedisServer, link: Link, cache: MetadataCache
) -> None:
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.stop()
    await cache.drop_nodes(SPACE, [NODE], 4)
    started = time.monotonic()
    for seq in range(5, 25):
        await cache.drop_nodes(SPACE, [NODE], seq)
    assert time.monotonic() - started < 1


async def test_a_process_that_slept_trusts_nothing(
    redis_server: RedisServer, cache: MetadataCache
) -> None:
    await cache.put_node(SPACE, NODE, 3, b"node")
    time.sleep(1.3)  # the whole loop, as a stopped process
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 3, b"node")
    await asyncio.sleep(1.3)
    assert await cache.get_node(SPACE, NODE) == b"node"


async def test_a_redis_that_is_gone_and_back(
    redis_server: RedisServer, link: Link, cache: MetadataCache
) -> None:
    await cache.put_node(SPACE, NODE, 3, b"node")
    redis_server.stop()
    assert await cache.get_node(SPACE, NODE) is None
    await cache.tree_moved(SPACE, 9)
    redis_server.start()
    await asyncio.sleep(0.25)
    assert await cache.get_node(SPACE, NODE) is None
    await cache.put_node(SPACE, NODE, 9, b"node")
    assert await cache.get_node(SPACE, NODE) == b"node"


async def test_no_redis_at_all() -> None:
    cache = MetadataCache(Link("", monotonic=time.monotonic))
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.drop_auth(USER, [TOKEN])
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, 1) == (None, None)


async def test_many_at_once_share_the_connection(redis_server: RedisServer) -> None:
    link = Link(redis_server.url, monotonic=time.monotonic, patience=5.0)
    cache = MetadataCache(link)
    await cache.put_node(SPACE, NODE, 3, b"node")
    answers = await asyncio.gather(*(cache.get_node(SPACE, NODE) for _ in range(200)))
    assert answers == [b"node"] * 200
    await link.close()


async def test_who_stops_waiting_leaves_no_gap(cache: MetadataCache) -> None:
    """Replies come in the order of the calls: one that nobody waits for must still be taken."""
    await cache.put_node(SPACE, 1, 3, b"one")
    await cache.put_node(SPACE, 2, 3, b"two")
    for _ in range(50):
        leaving = asyncio.create_task(cache.get_node(SPACE, 1))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await cache.get_node(SPACE, 2) == b"two"


async def test_a_busy_loop_is_not_a_dead_redis(cache: MetadataCache, link: Link) -> None:
    await cache.put_node(SPACE, NODE, 3, b"node")
    asking = asyncio.create_task(cache.get_node(SPACE, NODE))
    await asyncio.sleep(0)
    time.sleep(0.5)
    assert await asking == b"node"
    assert link.failures == 0


async def test_a_password_and_a_database_of_the_url_are_used(redis_server: RedisServer) -> None:
    plain = redis_server.plain()
    plain.config_set("requirepass", "s3cret/%")
    host = redis_server.url.removeprefix("redis://").removesuffix("/0")
    right = Link(f"redis://:s3cret%2F%25@{host}/5", monotonic=time.monotonic)
    await MetadataCache(right).put_node(SPACE, NODE, 3, b"node")
    assert right.up
    wrong = Link(f"redis://:other@{host}/5", monotonic=time.monotonic)
    assert await MetadataCache(wrong).get_node(SPACE, NODE) is None
    assert not wrong.up
    await right.close()
    await wrong.close()
