"""The object store, asked where the gateways ask it: health, write quorum, our credential."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from appliance.doctor.report import Line, line
from appliance.doctor.web import BROKEN, Web, reason
from appliance.domain.errors import Problem
from appliance.objects.control import ObjectControl
from appliance.objects.drives import FIGURES, Drives, drives_away
from appliance.settings import ObjectStore

__all__ = ["HEALTH", "StoreFacts", "judge", "look"]

HEALTH = {"minio": "/minio/health/live", "seaweedfs": "/healthz"}
_QUORUM = "/minio/health/cluster"


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """`broken`: why there was no answer. `quorum`: MinIO's status of the whole cluster and the
    drives a write needs; None where the store has no such notion. `drives`: None where they aren't
    told. `refused`: why our bucket isn't ours."""

    kind: str
    broken: str = ""
    refused: str = ""
    quorum: tuple[int, str] | None = None
    drives: Drives | None = None


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
                drives = drives_away((await web.ask("GET", store.endpoint + FIGURES)).body)
    except BROKEN as error:
        return StoreFacts(store.kind, reason(error))
    refused = ""
    try:
        await control.ping()
    except Problem as problem:
        refused = f"{problem} ({problem.code})"
    return StoreFacts(store.kind, "", refused, quorum, drives)


def judge(found: StoreFacts) -> list[Line]:
    if found.broken:
        return [line("store.unreachable", found.kind, found.broken)]
    if found.quorum is not None and found.quorum[0] != 200:
        seen = f"a write needs {found.quorum[1]} drives; the cluster answers {found.quorum[0]}"
        return [line("store.no-write-quorum", found.kind, seen)]
    if found.refused:
        return [line("store.refuses", found.kind, found.refused)]
    if found.drives is not None and found.drives.away > 0:
        seen = f"{found.drives.away} of {found.drives.total} drives are away or being healed"
        return [line("store.degraded", found.kind, seen)]
    seen = (
        f"write quorum of {found.quorum[1]} drives"
        if found.quorum
        else "healthy; this store has no write quorum to ask for"
    )
    return [line("store.ok", found.kind, seen)]
