"""Each database: it answers, it takes writes, and who follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.doctor.report import Line, line
from appliance.doctor.versions import Schema
from appliance.domain.errors import DatabaseUnavailable
from appliance.settings import Database
from appliance.store import migrate, standing
from appliance.store.pools import Stores
from appliance.store.standing import Standing
from appliance.store.writable import why_not_writable

__all__ = ["LAG", "DatabaseFacts", "judge", "judge_replication", "look"]

LAG = 64 << 20  # bytes, as the alert PostgresReplicaLag


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """`expected`: standbys, by the settings. `no_writes`: why a write failed; empty when it didn't.
    `standing` is None when nothing answers, and `broken` says why."""

    name: str
    expected: int
    broken: str = ""
    no_writes: str = ""
    standing: Standing | None = None
    schema: Schema | None = None


async def look(database: Database, stores: Stores, seconds: float) -> DatabaseFacts:
    try:
        async with asyncio.timeout(seconds):
            found = await standing.ask(database, seconds)
    except DatabaseUnavailable as problem:
        return DatabaseFacts(database.name, database.standbys, str(problem))
    except TimeoutError:
        return DatabaseFacts(database.name, database.standbys, f"no answer in {seconds:g} s")
    no_writes = await why_not_writable(stores, database, seconds)
    try:
        lacking, unknown, changed = await asyncio.to_thread(migrate.compare, database.write_dsn)
        schema = Schema(database.name, lacking, unknown, changed)
    except migrate.CannotMigrate:
        schema = None
    return DatabaseFacts(database.name, database.standbys, "", no_writes, found, schema)


def judge(found: Sequence[DatabaseFacts]) -> list[Line]:
    return [_judge(each) for each in found]


def _judge(each: DatabaseFacts) -> Line:
    if each.standing is None:
        return line("database.unreachable", each.name, each.broken)
    if each.standing.replica:
        return line("database.no-writes", each.name, "the way to the primary leads to a replica")
    if each.no_writes:
        return line("database.no-writes", each.name, each.no_writes)
    return line("database.ok", each.name, f"PostgreSQL {each.standing.version} takes writes")


def judge_replication(name: str, expected: int, found: Standing) -> list[Line]:
    """Of a primary."""
    if any(not each.state for each in found.standbys):
        return [
            line("replication.hidden", name, f"{len(found.standbys)} standbys, no more is told")
        ]
    following = [each for each in found.standbys if each.state == "streaming"]
    confirming = [each for each in following if each.sync_state in ("sync", "quorum")]
    if not (expected or found.synchronous or found.standbys):
        return [line("replication.single", name, "no standby, and none is expected")]
    who = ", ".join(f"{each.name} {each.state} {each.sync_state}" for each in found.standbys)
    seen = f"{len(following)} of {expected} expected: {who or 'none'}"
    lines = []
    if (expected or found.synchronous) and not confirming:
        lines.append(line("replication.no-synchronous", name, seen))
    elif len(following) < expected:
        lines.append(line("replication.missing", name, seen))
    lines += [
        line("replication.lag", f"{name} {each.name}", f"{each.lag >> 20} MiB behind")
        for each in following
        if each.lag > LAG
    ]
    return lines or [line("replication.ok", name, seen)]
