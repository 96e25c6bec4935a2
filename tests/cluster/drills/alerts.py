"""What fires, asked of Prometheus itself on a monitoring host."""

from __future__ import annotations

import json

from tests.cluster.addresses import address

from .hosts import CA, Cluster, CommandFailed

__all__ = ["firing"]


async def firing(cluster: Cluster) -> set[str]:
    """Names of firing alerts; CommandFailed while no Prometheus answers."""
    said = "no host runs"
    for host in await cluster.running():
        try:
            said = await cluster.shell(
                host,
                f'curl -fsS -m 10 --cacert {CA} -u "stowbay:$(cat /etc/prometheus/password)" '
                f"https://{address(host)}:9090/api/v1/alerts",
            )
        except CommandFailed as error:
            said = str(error)
            continue
        alerts = json.loads(said)["data"]["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}
    raise CommandFailed(said)
