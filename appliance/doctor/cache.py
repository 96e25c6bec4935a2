"""Redis: reachable, nothing on disk, bounded. It may be lost at any time, so nothing here fails."""

from __future__ import annotations

from appliance.cache.inspection import CacheState, inspect
from appliance.doctor.report import Line, line
from appliance.doctor.web import reason

__all__ = ["judge", "look"]


async def look(url: str, seconds: float) -> CacheState | str | None:
    """None when the settings switch it off; why there was no answer, else."""
    if not url:
        return None
    try:
        return await inspect(url, seconds)
    except (OSError, TimeoutError) as error:
        return (
            str(error) if isinstance(error, ConnectionError) and not error.errno else reason(error)
        )


def judge(found: CacheState | str | None) -> list[Line]:
    if found is None:
        return [line("cache.ok", "redis", "switched off by the settings")]
    if isinstance(found, str):
        return [line("cache.unreachable", "redis", found)]
    lines = []
    if found.persists:
        lines.append(line("cache.persists", "redis", found.persists))
    if not found.bound or not found.policy.startswith("allkeys-"):
        seen = f"maxmemory {found.bound}, policy {found.policy}"
        lines.append(line("cache.unbounded", "redis", seen))
    seen = (
        f"{found.version}, {found.used >> 20} of {found.bound >> 20} MiB, {found.policy},"
        f" {found.evicted} keys dropped for room"
    )
    return lines or [line("cache.ok", "redis", seen)]
