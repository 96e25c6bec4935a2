"""`python -m tests.cluster.drills LAB [--only NAME…]`, run by `lab exec` on a converged cluster.

Prints a table as it goes: the worst write gap of each drill with the machine's load beside it.
Any violation, and any drill that doesn't heal, ends in exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
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

from .alerts import firing
from .client import Client
from .faults import DRILLS, Drill, Scene
from .hosts import Cluster
from .ledger import Ledger, Violation
from .load import Load, Writer, make_folder, start_uploader
from .pieces import everywhere
from .verify import verify

_WRITERS = 2  # of each shard
_ACCOUNTS = 40  # so many at most until each shard has its people: a space's slot is drawn
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
    shards = variables["stowbay_shards"]
    cluster = Cluster(lab, names, {each["name"]: each["port"] for each in shards})
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stowbay-drills-")))
        ca = place / "ca.pem"
        ca.write_text(await cluster.run(names[0], "cat", "/etc/stowbay/pki/ca.pem"))
        load = await _people(cluster, shards, stack, ca, place)
        scene = Scene(cluster, load, str(ca))
        await scene.healed(60)
        head = ("drill", "what", "write gap, s", "upload gap, s", "load, 1 min", "CPU busy",
                "acknowledged", "served", "not served", "failed uploads", "wrong",
                "seen")  # fmt: skip
        print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|", flush=True)
        failed, checked = 0, set[str]()
        for drill in drills:
            failed += not await _drill(drill, scene, checked)
        failed += not await _end(scene)
    return 1 if failed else 0


async def _drill(drill: Drill, scene: Scene, checked: set[str]) -> bool:
    load = scene.load
    before, served, unserved = _acknowledged(load), load.served, load.unserved
    failures = len(load.uploader.failures)
    busy = _Busy()
    seen, gap, upload_gap = "", math.nan, math.nan
    wrong: list[Violation] = []
    errors: list[Exception] = []
    try:
        async with load.running():
            await asyncio.sleep(_WARM_SECONDS)
            try:
                seen = await drill.run(scene)
            except Exception as caught:
                errors.append(caught)
            gap, upload_gap = load.write_gap(), load.upload_gap()
        wrong = await verify(load, checked=checked)
    except Exception as caught:  # of the people at work, or of the comparison
        errors.append(caught)
    cells = [
        drill.name, drill.what, f"{gap:.1f}", f"{upload_gap:.1f}", f"{os.getloadavg()[0]:.1f}",
        f"{busy.percent():.0f} %", str(_acknowledged(load) - before), str(load.served - served),
        str(load.unserved - unserved), str(len(load.uploader.failures) - failures),
        str(len(wrong)), "FAILED" if errors else seen,
    ]  # fmt: skip
    print("| " + " | ".join(cells) + " |", flush=True)
    _say(wrong)
    for error in errors:
        print(f"  FAILED {drill.name}: {_reason(error)}", flush=True)
    print(f"  codes so far: {json.dumps(load.told(), sort_keys=True)}", file=sys.stderr, flush=True)
    return not wrong and not errors


async def _end(scene: Scene) -> bool:
    """What the first drill left whole, a later one may have lost: each upload is fetched again, and
    each drive of the store asked for its piece of it."""
    checked = set[str]()
    try:
        healed = f"{await scene.healed()}, {await scene.drives_healed()}"
        healed += f", {await everywhere(scene.cluster)}"
        wrong = await verify(scene.load, checked=checked)
        alerts = ", ".join(sorted(await firing(scene.cluster)))
    except Exception as error:
        print(f"FAILED in the end: {_reason(error)}", flush=True)
        return False
    print(f"In the end: {healed}; {len(checked)} uploads fetched again, {len(wrong)} wrong; "
          f"what fires: {alerts}", flush=True)  # fmt: skip
    _say(wrong)
    return not wrong


def _say(wrong: list[Violation]) -> None:
    for violation in wrong:
        print(f"  WRONG {violation.folder}: {violation.what}", flush=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_reason(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"


def _acknowledged(load: Load) -> int:
    return sum(each.ledger.acknowledged for each in (*load.writers, load.uploader))


async def _people(
    cluster: Cluster, shards: list[dict[str, Any]], stack: AsyncExitStack, ca: Path, place: Path
) -> Load:
    """Writers with spaces on every shard, and on the first, which most drills are for, one who
    uploads."""
    tls = ssl.create_default_context(cafile=str(ca))
    people: dict[str, list[Client]] = {shard["name"]: [] for shard in shards}
    for number in range(_ACCOUNTS):
        login, password = f"drill{int(time.time())}{number}", os.urandom(12).hex()
        await cluster.shell(
            cluster.names[0],
            f"printf '%s\n' {password} | STOWBAY_CONFIG=/etc/stowbay/stowbay.json "
            f"/opt/stowbay/current/bin/stowbay-admin user add {login} --password-file -",
        )
        client = Client(f"https://{PUBLIC_NAME}", tls, login, password)
        await stack.enter_async_context(client)
        slot = ids.decode_key("s", client.space) >> 47
        (home,) = (s["name"] for s in shards if s["first_slot"] <= slot <= s["last_slot"])
        people[home].append(client)
        if min(map(len, people.values())) > _WRITERS:
            break
    else:
        raise SystemExit(f"{_ACCOUNTS} accounts, and still too few on a shard")
    writers = []
    for client in (each for found in people.values() for each in found[:_WRITERS]):
        folder = await make_folder(client, "drill")
        writers.append(Writer(client, folder, Ledger(client.login)))
    command = [str(REPOSITORY / ".venv/bin/stowbay")]
    uploader = await start_uploader(people[shards[0]["name"]][-1], command, ca, place)
    return Load(writers, uploader)


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
