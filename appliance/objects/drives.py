"""How many drives of the store are away, as its own figures tell; nobody's right is needed for it.

The figures are those of MinIO's cluster, at most some 10 s old. Other stores tell none.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass

import aiohttp

from appliance.domain.errors import StoreUnavailable
from appliance.objects.errors import RETRY_SOON
from appliance.settings import ObjectStore

__all__ = ["FIGURES", "Drives", "drives_away", "look"]

FIGURES = "/minio/v2/metrics/cluster"  # where the cluster opens it, as the role objectstore does
_SECONDS = 10.0
# As store:drives_away:max in monitoring/rules/figures.yml, which says why.
_ALL = re.compile(rb"^minio_cluster_drive_total(?:{[^}]*})? (\S+)", re.MULTILINE)
_OF_SETS = re.compile(
    rb"^minio_cluster_health_erasure_set_(online|healing)_drives(?:{[^}]*})? (\S+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Drives:
    """One that is being healed is away. Redundancy is the store's with more than one drive."""

    away: int
    total: int


def drives_away(page: bytes) -> Drives | None:
    """None without such figures, as in MinIO's first minute."""
    total = [int(float(each)) for each in _ALL.findall(page)]
    of_sets = [(what == b"online", int(float(many))) for what, many in _OF_SETS.findall(page)]
    whole = sum(many if online else -many for online, many in of_sets)
    return Drives(total[0] - whole, total[0]) if total and of_sets else None


async def look(store: ObjectStore) -> Drives | None:
    """Of a MinIO; None while it tells nothing of its drives. StoreUnavailable."""
    trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=store.ca) if store.ca else True
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session,
            session.get(store.endpoint + FIGURES, ssl=trust) as reply,
        ):
            return drives_away(await reply.read()) if reply.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StoreUnavailable(f"the store's figures: {error!r}", retry_after=RETRY_SOON) from error
