"""What fires, asked of Prometheus itself on a monitoring host."""

from __future__ import annotations

from .hosts import Cluster

__all__ = ["firing"]


async def firing(cluster: Cluster) -> set[str]:
    """Names of firing alerts; CommandFailed while no Prometheus answers."""
    alerts = (await cluster.prometheus("alerts"))["alerts"]
    return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}
