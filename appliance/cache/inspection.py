"""What Redis says of itself, on a connection of its own: for the doctor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from appliance.cache.channel import Channel, open_channel

__all__ = ["CacheState", "inspect"]


@dataclass(frozen=True, slots=True)
class CacheState:
    """`persists`: which way it writes to disk; empty when it doesn't. `bound` in bytes, 0 for none;
    `evicted`: keys dropped for room since its start."""

    version: str
    persists: str
    bound: int
    policy: str
    used: int
    evicted: int


async def inspect(url: str, seconds: float) -> CacheState:
    """Raises OSError or TimeoutError; the text holds no secret."""
    async with asyncio.timeout(seconds):
        channel = await open_channel(url, seconds)
        try:
            told = _fields(await channel.call("INFO"))
            persists = await _persists(channel, told)
        finally:
            channel.close()
    return CacheState(
        version=told.get("valkey_version") or told.get("redis_version", "?"),
        persists=persists,
        bound=int(told.get("maxmemory", 0)),
        policy=told.get("maxmemory_policy", "?"),
        used=int(told.get("used_memory", 0)),
        evicted=int(told.get("evicted_keys", 0)),
    )


def _fields(told: bytes) -> dict[str, str]:
    pairs = (row.split(":", 1) for row in told.decode().splitlines() if ":" in row)
    return dict(pairs)


async def _persists(channel: Channel, told: dict[str, str]) -> str:
    """The setting where our user may read it (one machine), else what has been written since the
    start: on hosts its rights end at INFO."""
    if told.get("aof_enabled", "0") != "0":
        return "appendonly"
    try:
        found: list[bytes] = await channel.call("CONFIG", "GET", "save")
        rule = found[1].decode() if len(found) > 1 else ""
    except ConnectionError:
        saves = told.get("rdb_saves", "0")
        return f"{saves} dumps since its start" if saves != "0" else ""
    return f"save {rule}" if rule else ""
