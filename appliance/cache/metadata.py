"""Cached sessions and nodes. Values are the caller's bytes; what makes them safe to use is here.

    a:{user}:{token}   a session                     ENTRY_SECONDS; empty: revoked, MARK_SECONDS
    n:{space}:{node}   "{seq}\\n" + a node's answer   ENTRY_SECONDS; nothing after \\n: it changed
    e:{space}          seq of the last change of the space's tree, MARK_SECONDS

`seq` is the space's number in the very snapshot the node was read from. That one number decides
everything: an entry is never replaced by one of a smaller seq; it serves a reader who has seen N
only if seq >= N; and since whether a node is in the trash depends on folders above it, it serves
nobody once the tree has changed after seq (`tree_moved`).

A change leaves a mark in place of the entry, so that a reader who was overtaken by the change
can't put back what it read before. Marks outlive entries by more than the longest statement.

Nothing here lives longer than 30 s, so what a lost invalidation leaves behind is gone by then.
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.cache.connection import Link

__all__ = ["ENTRY_SECONDS", "MARK_SECONDS", "MetadataCache"]

ENTRY_SECONDS = 20
MARK_SECONDS = 30

# KEYS: node, epoch. ARGV: seq, value, seconds. Seqs are below 2**53, exact in Lua's numbers.
_PUT_NODE = """
local seq = tonumber(ARGV[1])
local held = redis.call('GETRANGE', KEYS[1], 0, 20)
local held_seq = tonumber(string.match(held, '^%d+'))
if held_seq and held_seq > seq then return 0 end
local epoch = redis.call('GET', KEYS[2])
if epoch and tonumber(epoch) > seq then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. '\\n' .. ARGV[2], 'EX', ARGV[3])
return 1
"""

# KEYS: nodes. ARGV: seq, seconds.
_DROP_NODES = """
for _, key in ipairs(KEYS) do
  local held = redis.call('GETRANGE', key, 0, 20)
  local held_seq = tonumber(string.match(held, '^%d+'))
  if not held_seq or held_seq < tonumber(ARGV[1]) or held == ARGV[1] .. '\\n' then
    redis.call('SET', key, ARGV[1] .. '\\n', 'EX', ARGV[2])
  end
end
return 1
"""

# KEYS: epoch. ARGV: seq, seconds.
_TREE_MOVED = """
local held = tonumber(redis.call('GET', KEYS[1]) or '0')
if held > tonumber(ARGV[1]) then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return 1
"""

# KEYS: session. ARGV: value, seconds. A mark (the empty value) stays.
_PUT_AUTH = """
if redis.call('GET', KEYS[1]) == '' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


def _auth(user_id: int, token_id: int) -> str:
    return f"a:{user_id:x}:{token_id:x}"


def _node(space_id: int, node_id: int) -> str:
    return f"n:{space_id:x}:{node_id:x}"


def _epoch(space_id: int) -> str:
    return f"e:{space_id:x}"


def _usable(held: bytes | None, epoch: bytes | None, min_seq: int | None) -> bytes | None:
    if not held:
        return None
    stamp, _, value = held.partition(b"\n")
    seq = int(stamp)
    if not value or seq < (min_seq or 0) or (epoch and seq < int(epoch)):
        return None
    return value


class MetadataCache:
    def __init__(self, link: Link) -> None:
        self._link = link
        self.hits = 0
        self.misses = 0

    @property
    def up(self) -> bool:
        return self._link.up

    @property
    def failures(self) -> int:
        return self._link.failures

    async def ping(self) -> bool:
        return await self._link.ask("PING") is not None

    async def _read(self, *keys: str) -> list[bytes | None]:
        held: list[bytes | None] | None = await self._link.ask("MGET", *keys)
        return [None] * len(keys) if held is None else held

    def _count(self, value: bytes | None) -> bytes | None:
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
        return value

    async def get_auth(self, user_id: int, token_id: int) -> bytes | None:
        (held,) = await self._read(_auth(user_id, token_id))
        return self._count(held or None)

    async def put_auth(self, user_id: int, token_id: int, value: bytes) -> None:
        """The value must say by itself which secret it is for, and when it ends."""
        key = _auth(user_id, token_id)
        await self._link.ask("EVAL", _PUT_AUTH, 1, key, value, ENTRY_SECONDS)

    async def drop_auth(self, user_id: int, token_ids: Iterable[int]) -> None:
        """After the commit that revoked them (or changed what their entries say)."""
        await self._link.tell(
            *(("SET", _auth(user_id, token), b"", "EX", MARK_SECONDS) for token in token_ids)
        )

    async def get_node(
        self, space_id: int, node_id: int, min_seq: int | None = None
    ) -> bytes | None:
        """`min_seq`: the highest seq of the space that the reader has seen."""
        held, epoch = await self._read(_node(space_id, node_id), _epoch(space_id))
        return self._count(_usable(held, epoch, min_seq))

    async def get_auth_and_node(
        self, user_id: int, token_id: int, space_id: int, node_id: int, min_seq: int | None
    ) -> tuple[bytes | None, bytes | None]:
        """Both in one round trip: the whole of a stat that the cache can answer."""
        auth, held, epoch = await self._read(
            _auth(user_id, token_id), _node(space_id, node_id), _epoch(space_id)
        )
        return self._count(auth or None), self._count(_usable(held, epoch, min_seq))

    async def put_node(self, space_id: int, node_id: int, seq: int, value: bytes) -> None:
        keys = (_node(space_id, node_id), _epoch(space_id))
        await self._link.ask("EVAL", _PUT_NODE, 2, *keys, seq, value, ENTRY_SECONDS)

    async def drop_nodes(self, space_id: int, node_ids: Iterable[int], seq: int) -> None:
        """After the commit of `seq`, which changed them."""
        keys = [_node(space_id, node_id) for node_id in node_ids]
        if keys:
            await self._link.tell(("EVAL", _DROP_NODES, len(keys), *keys, seq, MARK_SECONDS))

    async def tree_moved(self, space_id: int, seq: int) -> None:
        """After the commit of `seq`, which moved, trashed, restored or purged a folder."""
        await self._link.tell(("EVAL", _TREE_MOVED, 1, _epoch(space_id), seq, MARK_SECONDS))
