"""The doctor's own account on a host: made for one examination, and gone with all it has after it.

One a host, under a name of its own: what a doctor that was killed has left is removed by the next.
Two at once on one host would take it from each other, so the settings file is locked meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.doctor.origins import Origin
from appliance.doctor.report import Unexaminable
from appliance.doctor.transfer import Access
from appliance.services.removal import remove_account
from appliance.wiring import AppServices

__all__ = ["LOGIN_PREFIX", "login_here", "made"]

LOGIN_PREFIX = "stowbay-doctor-"
_QUOTA = 1 << 20


def login_here() -> str:
    return LOGIN_PREFIX + (platform.node() or "host")


@asynccontextmanager
async def made(services: AppServices, config: Path) -> AsyncIterator[Access]:
    """Raises Unexaminable while another doctor of this host has it, else as the services do."""
    login, password = login_here(), secrets.token_urlsafe(24)
    descriptor = os.open(config, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unexaminable("another doctor examines this host right now") from None
        await _remove(services, login)
        try:
            await services.users.add(login, password, quota=_QUOTA)
            yield Access(Origin("api", services.settings.api_url), login, password)
        finally:
            await _remove(services, login)
    finally:
        os.close(descriptor)


async def _remove(services: AppServices, login: str) -> None:
    await remove_account(
        login,
        stores=services.stores,
        control=services.control,
        cache=services.cache,
        clock=services.clock,
    )
