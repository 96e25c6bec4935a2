"""Whether every drive of the store has its piece of every object.

That a file was served proves less: an edge's cache may have had it, or the other drives together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .hosts import Cluster, CommandFailed, until

__all__ = ["everywhere", "lacking"]

_DRIVES = "/srv/stowbay/drives"
_BUCKET = "stowbay"


async def everywhere(cluster: Cluster, seconds: float = 300) -> str:
    """Of what is stored by now, once no blob of it waits for healing any more. AssertionError.

    What clients write or remove meanwhile is left out.
    """
    before = await _stored(cluster)
    begun = await _waiting(cluster)

    async def check() -> None:
        if left := begun & await _waiting(cluster):
            raise CommandFailed(f"{len(left)} blobs wait for healing, as {sorted(left)[:3]}")

    took = await until(check, seconds, every=5)
    drives: dict[str, set[str]] = {}
    for host in cluster.names:
        drives |= await _pieces(cluster, host)
    wanted = before & await _stored(cluster)
    if missing := lacking(wanted, drives):
        raise AssertionError(f"{len(missing)} of {len(wanted)} objects aren't on all drives: "
                             f"{dict(sorted(missing.items())[:10])}")  # fmt: skip
    return f"{len(wanted)} objects on all of {len(drives)} drives after {took:.0f} s"


def lacking(wanted: Iterable[str], drives: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Object -> drives without a piece of it; `drives`: drive -> the objects it has."""
    found = {each: [name for name, has in drives.items() if each not in has] for each in wanted}
    return {each: without for each, without in found.items() if without}


async def _stored(cluster: Cluster) -> set[str]:
    text = "select distinct object_key from blobs where state = 'live'"
    return {key for shard in cluster.ports for key in await cluster.sql(shard, text)}


async def _waiting(cluster: Cluster) -> set[str]:
    text = "select space_id || '/' || blob_id from heals"
    return {row for shard in cluster.ports for row in await cluster.sql(shard, text)}


async def _pieces(cluster: Cluster, host: str) -> dict[str, set[str]]:
    """As MinIO lays them out: an object is a folder with an `xl.meta`."""
    said = await cluster.shell(
        host, f"cd {_DRIVES} && for drive in *; do echo drive $drive; "
        f"find $drive/{_BUCKET} -name xl.meta -printf 'piece %P\\n'; done"
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    for line in said.splitlines():
        what, _, name = line.partition(" ")
        if what == "drive":
            drive = f"{host}/{name}"
            found[drive] = set()
        else:
            found[drive].add(name.removesuffix("/xl.meta"))
    return found
