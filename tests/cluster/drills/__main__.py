"""`python -m tests.cluster.drills LAB [--only NAME…]`, run by `lab exec` on a converged cluster.

Prints a table as it goes: the worst write gap of each drill with the machine's load beside it.
Any violation, and any drill that doesn't heal, ends in exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from appliance.domain import ids
from tests.cluster.addresses import PUBLIC_NAME
from tests.cluster.places import REPOSITORY, Lab

from .client import Client
from .faults import DRILLS, Drill, Scene
from .hosts import Cluster
from .ledger import Ledger
from .load import Load, Writer, make_folder, start_uploader, summary
from .verify import verify

_WRITERS = 4
_WARM_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.cluster.drills", description=__doc__)
    parser.add_argument("lab")
    parser.add_argument("--only", action="append", choices=[d.name for d in DRILLS], default=[])
    given = parser.parse_args()
    drills = [drill for drill in DRILLS if not given.only or drill.name in given.only]
    return asyncio.run(_run(Lab(given.lab), drills))


async def _run(lab: Lab, drills: list[Drill]) -> int:
    names = tuple(sorted(path.name for path in lab.host("").iterdir() if path.is_dir()))
    variables: dict[str, Any] = {}
    for file in ("main.yml", "zz-lab.yml"):
        variables |= yaml.safe_load((lab.inventory / "group_vars/all" / file).read_text())
    cluster = Cluster(lab, names, tuple(each["name"] for each in variables["stowbay_shards"]))
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stowbay-drills-")))
        ca = place / "ca.pem"
        ca.write_text(await cluster.run(names[0], "cat", "/etc/stowbay/pki/ca.pem"))
        load = await _people(cluster, stack, ca, place)
        scene = Scene(cluster, load, str(ca))
        await scene.healed(60)
        head = ("drill", "what", "write gap, s", "upload gap, s", "load, 1 min", "CPU busy",
                "acknowledged", "served", "wrong", "seen")  # fmt: skip
        print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|", flush=True)
        failed, checked = 0, set[str]()
        for drill in drills:
            failed += not await _drill(drill, scene, checked)
    return 1 if failed else 0


async def _drill(drill: Drill, scene: Scene, checked: set[str]) -> bool:
    load = scene.load
    before, served = _acknowledged(load), load.served
    busy = _Busy()
    error, seen = "", ""
    try:
        async with load.running():
            await asyncio.sleep(_WARM_SECONDS)
            try:
                seen = await drill.run(scene)
            except Exception as caught:
                error = f"{type(caught).__name__}: {caught}"
            gap, upload_gap = load.write_gap(), load.upload_gap()
        wrong = await verify(load, checked=checked)
    except BaseExceptionGroup as group:
        error = error or "; ".join(f"{type(e).__name__}: {e}" for e in group.exceptions)
        wrong, gap, upload_gap = [], load.write_gap(), load.upload_gap()
    cells = [
        drill.name, drill.what, f"{gap:.1f}", f"{upload_gap:.1f}", f"{os.getloadavg()[0]:.1f}",
        f"{busy.percent():.0f} %", str(_acknowledged(load) - before), str(load.served - served),
        str(len(wrong)), seen or "FAILED",
    ]  # fmt: skip
    print("| " + " | ".join(cells) + " |", flush=True)
    for violation in wrong:
        print(f"  WRONG {violation.folder}: {violation.what}", flush=True)
    if error:
        print(f"  FAILED {drill.name}: {error}", flush=True)
    print(f"  codes so far: {summary(load)}", file=sys.stderr, flush=True)
    return not wrong and not error


def _acknowledged(load: Load) -> int:
    return sum(each.ledger.acknowledged for each in (*load.writers, load.uploader))


async def _people(cluster: Cluster, stack: AsyncExitStack, ca: Path, place: Path) -> Load:
    """Writers with spaces on every shard, and one who uploads."""
    tls = ssl.create_default_context(cafile=str(ca))
    clients: list[Client] = []
    for number in range(_WRITERS + 1):
        login, password = f"drill{int(time.time())}{number}", os.urandom(12).hex()
        await cluster.shell(
            cluster.names[0],
            f"printf '%s\\n' {password} | STOWBAY_CONFIG=/etc/stowbay/stowbay.json "
            f"/opt/stowbay/current/bin/stowbay-admin user add {login} --password-file -",
        )
        client = Client(f"https://{PUBLIC_NAME}", tls, login, password)
        clients.append(await stack.enter_async_context(client))
    slots = [ids.decode_key("s", client.space) >> 47 for client in clients[:-1]]
    print(f"writers' slots: {slots}", flush=True)
    writers = []
    for client in clients[:-1]:
        folder = await make_folder(client, "drill")
        writers.append(Writer(client, folder, Ledger(client.login)))
    command = [str(REPOSITORY / ".venv/bin/stowbay")]
    return Load(writers, await start_uploader(clients[-1], command, ca, place))


class _Busy:
    """Share of all cores' time that was not idle, since it was made."""

    def __init__(self) -> None:
        self._before = self._read()

    def percent(self) -> float:
        idle, total = (now - then for now, then in zip(self._read(), self._before, strict=True))
        return 100.0 * (1 - idle / max(total, 1))

    @staticmethod
    def _read() -> tuple[int, int]:
        fields = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return fields[3] + fields[4], sum(fields)


if __name__ == "__main__":
    sys.exit(main())
