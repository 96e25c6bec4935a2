"""Adds accounts, (login, password) lines on standard input, in one process: it is started once
for many tests, where `stowbay-admin` would be started for each."""

from __future__ import annotations

import asyncio
import sys

from appliance import settings
from appliance.wiring import wire


async def main() -> None:
    async with wire(settings.load()) as services:
        for line in sys.stdin.read().splitlines():
            login, password = line.split()
            await services.users.add(login, password)


asyncio.run(main())
