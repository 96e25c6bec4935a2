"""On a host without the settings file: what a host can tell by itself, and no more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.doctor import clocks, host
from appliance.doctor.notes import Notes, Options
from appliance.doctor.report import Check

__all__ = ["examine"]

_HERE = frozenset((Check.TIME_SERVICE, Check.CERTIFICATES, Check.BACKUP))


async def examine(options: Options, notes: Notes) -> None:
    config = options.config or Path()
    await asyncio.gather(
        notes.run(Check.TIME_SERVICE, clocks.time_service),
        notes.run(Check.CERTIFICATES, lambda: host.certificates(config, "")),
        notes.run(Check.BACKUP, lambda: host.backup(config, "")),
    )
    for check in Check:
        if check not in _HERE:
            notes.skip(check, "no settings here: run it on a gateway's host, or with --url")
