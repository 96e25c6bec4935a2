"""The object store, asked where the gateways ask it: health, write quorum, our credential."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from appliance.doctor.report import Line, line
from appliance.doctor.web import BROKEN, Web, reason
from appliance.domain.errors import Problem
from appliance.objects.control import ObjectControl
from appliance.settings import ObjectStore

__all__ = ["HEALTH", "StoreFacts", "drives_away", "judge", "look"]

HEALTH = {"minio": "/minio/health/live", "seaweedfs": "/healthz"}
_QUORUM = "/minio/health/cluster"
_FIGURES = "/minio/v2/metrics/cluster"  # where the cluster opens it, as the role objectstore does
# As store:drives_away:max in monitoring/rules/figures.yml, which says why.
_ALL = re.compile(rb"^minio_cluster_drive_total(?:{[^}]*})? (\S+)", re.MULTILINE)
_OF_SETS = re.compile(
    rb"^minio_cluster_health_erasure_set_(online|healing)_drives(?:{[^}]*})? (\S+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """`broken`: why there was no answer. `quorum`: MinIO's status of the whole cluster and the
    drives a write needs; None where the store has no such notion. `drives`: how many are away, of
    how many; None where that isn't told. `refused`: why our bucket isn't ours."""

    kind: str
    broken: str = ""
    refused: str = ""
    quorum: tuple[int, str] | None = None
    drives: tuple[int, int] | None = None


async def look(store: ObjectStore, control: ObjectControl, web: Web) -> StoreFacts:
    try:
        health = await web.ask("GET", store.endpoint + HEALTH[store.kind])
        if health.status != 200:
            return StoreFacts(store.kind, f"its health is answered {health.status}")
        quorum = drives = None
        if store.kind == "minio":
            told = await web.ask("GET", store.endpoint + _QUORUM)
            quorum = told.status, told.headers.get("x-minio-write-quorum", "?")
            with suppress(*BROKEN):
                drives = drives_away((await web.ask("GET", store.endpoint + _FIGURES)).body)
    except BROKEN as error:
        return StoreFacts(store.kind, reason(error))
    refused = ""
    try:
        await control.ping()
    except Problem as problem:
        refused = f"{problem} ({problem.code})"
    return StoreFacts(store.kind, "", refused, quorum, drives)


def drives_away(page: bytes) -> tuple[int, int] | None:
    """Of the figures of MinIO's cluster: how many, of how many; None without such figures, as in
    MinIO's first minute. One that is being healed is away."""
    total = [int(float(each)) for each in _ALL.findall(page)]
    of_sets = [(what == b"online", int(float(many))) for what, many in _OF_SETS.findall(page)]
    whole = sum(many if online else -many for online, many in of_sets)
    return (total[0] - whole, total[0]) if total and of_sets else None


def judge(found: StoreFacts) -> list[Line]:
    if found.broken:
        return [line("store.unreachable", found.kind, found.broken)]
    if found.quorum is not None and found.quorum[0] != 200:
        seen = f"a write needs {found.quorum[1]} drives; the cluster answers {found.quorum[0]}"
        return [line("store.no-write-quorum", found.kind, seen)]
    if found.refused:
        return [line("store.refuses", found.kind, found.refused)]
    if found.drives is not None and found.drives[0] > 0:
        away, of = found.drives
        seen = f"{away} of {of} drives are away or being healed"
        return [line("store.degraded", found.kind, seen)]
    seen = (
        f"write quorum of {found.quorum[1]} drives"
        if found.quorum
        else "healthy; this store has no write quorum to ask for"
    )
    return [line("store.ok", found.kind, seen)]
