"""A Redis that answers, but with a refusal: for the callers it is one that isn't there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache

from .conftest import RedisServer

SPACE, NODE, USER, TOKEN = 9, 77, 12, 3


def _demoted(server: RedisServer) -> None:
    server.plain().replicaof("127.0.0.1", 1)


def _cut_off(server: RedisServer) -> None:
    server.plain().config_set("min-replicas-to-write", 1)


def _out_of_memory(server: RedisServer) -> None:
    server.plain().config_set("maxmemory", 1)


def _unable_to_save(server: RedisServer) -> None:
    (server.place / "dump.rdb").mkdir()
    plain = server.plain()
    plain.config_set("save", "3600 1")
    plain.bgsave()
    deadline = time.monotonic() + 10
    while plain.info("persistence")["rdb_last_bgsave_status"] != "err":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _well_again(server: RedisServer) -> None:
    plain = server.plain()
    plain.replicaof("NO", "ONE")
    plain.config_set("min-replicas-to-write", 0)
    plain.config_set("maxmemory", 0)
    plain.config_set("stop-writes-on-bgsave-error", "no")


@pytest.mark.parametrize(
    ("fall_ill", "word"),
    [
        (_demoted, "read only replica"),
        (_cut_off, "(?i)not enough good replicas"),
        (_out_of_memory, "maxmemory"),
        (_unable_to_save, "MISCONF"),
    ],
)
async def test_a_refusal_is_no_error_and_leaves_nothing_old_behind(
    fall_ill: Callable[[RedisServer], None], word: str, redis_server: RedisServer, link: Link
) -> None:
    cache = MetadataCache(link)
    await cache.put_auth(USER, TOKEN, b"caller")
    await cache.put_node(SPACE, NODE, 3, b"node")
    fall_ill(redis_server)
    with pytest.raises(Exception, match=word):
        redis_server.plain().set("another", 1)

    await cache.drop_auth(USER, [TOKEN])
    await cache.drop_nodes(SPACE, [NODE], 4)
    await cache.tree_moved(SPACE, 4)
    await cache.put_node(SPACE, NODE, 5, b"newer")
    for _ in range(10):
        assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, None) == (None, None)
        await asyncio.sleep(0.05)

    _well_again(redis_server)
    deadline = time.monotonic() + 5
    while not link.up and time.monotonic() < deadline:
        assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, None) == (None, None)
        await asyncio.sleep(0.02)
    assert link.up
    assert await cache.get_auth_and_node(USER, TOKEN, SPACE, NODE, None) == (None, None)
    await cache.put_node(SPACE, NODE, 5, b"newer")
    assert await cache.get_node(SPACE, NODE) == b"newer"


class Way:
    """As HAProxy leads: new connections go to whom `target` names, open ones stay."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        except ConnectionError:
            pass
        finally:
            there[1].close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def _way(target: int) -> AsyncIterator[Way]:
    way = Way(target)
    listening = await asyncio.start_server(way.carry, "127.0.0.1", 0)
    way.port = listening.sockets[0].getsockname()[1]
    yield way
    listening.close()


async def test_a_demoted_master_is_left_for_the_new_one(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    second = RedisServer(tmp_path / "second")
    second.start()
    try:
        async with _way(redis_server.port) as way:
            link = Link(f"redis://127.0.0.1:{way.port}/0", monotonic=time.monotonic, pause=0.1)
            cache = MetadataCache(link)
            await cache.put_node(SPACE, NODE, 3, b"node")
            way.target = second.port
            redis_server.plain().replicaof("127.0.0.1", second.port)
            deadline = time.monotonic() + 5
            while not second.plain().exists(f"n:{SPACE:x}:{NODE:x}"):
                assert time.monotonic() < deadline
                await cache.put_node(SPACE, NODE, 4, b"on the new one")
                await asyncio.sleep(0.02)
            assert await cache.get_node(SPACE, NODE) == b"on the new one"
            await link.close()
    finally:
        second.stop()
