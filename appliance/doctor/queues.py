"""Work that waits longer than it should, and what the last comparisons couldn't explain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from appliance.doctor.report import Line, line
from appliance.settings import Limits
from appliance.store import queues
from appliance.store.pools import Connection, Stores
from appliance.store.queues import Waiting
from appliance.store.routing import buckets
from appliance.workers.reconcile import ReconcileJob

__all__ = ["judge", "judge_orphans", "look"]

_STUCK = timedelta(minutes=15)  # as the gauge stowbay_uploads_stuck
_LATE = timedelta(days=1)  # beyond what the limits say
_UNCOMPARED = timedelta(days=2)  # each space is compared daily


async def look(stores: Stores, limits: Limits, now: datetime) -> Waiting:
    """Raises DatabaseUnavailable."""
    limit = queues.Limit(
        stuck=now - _STUCK,
        dying=now - timedelta(seconds=limits.dying_grace_seconds) - _LATE,
        trashed=now - timedelta(seconds=limits.trash_seconds) - _LATE,
        compared=now - _UNCOMPARED,
    )
    total = Waiting()
    for low, high in buckets():

        async def read(conn: Connection, low: int = low, high: int = high) -> Waiting:
            return await queues.waiting(conn, low, high, ReconcileJob.name, limit)

        total += await stores.run(max(low, 1), read)
    return total


def judge(found: Waiting) -> list[Line]:
    lines = []
    if found.uploads:
        lines.append(line("queues.uploads", "uploads", f"{found.uploads} uploads"))
    if found.outbox:
        lines.append(line("queues.outbox", "outbox", f"{found.outbox} rows"))
    if found.blobs or found.trash:
        seen = f"{found.blobs} dying blobs, {found.trash} things in the trash"
        lines.append(line("queues.deletions", "deletions", seen))
    if found.comparisons:
        lines.append(line("queues.comparisons", "comparisons", f"{found.comparisons} spaces"))
    return lines or [line("queues.ok", "all", "uploads, outbox, deletions, comparisons")]


def judge_orphans(unexplained: Mapping[str, int]) -> list[Line]:
    found = {kind: count for kind, count in unexplained.items() if count}
    if not found:
        return [line("orphans.ok", "all", ", ".join(unexplained))]
    return [line("orphans.found", kind, f"{count}") for kind, count in found.items()]
