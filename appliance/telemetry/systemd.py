"""What the service manager is told of this process: ready, stopping, still turning.

The protocol is sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names, WATCHDOG_USEC the
longest silence it allows, in microseconds. Where nobody listens nothing is said and nothing fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

__all__ = ["STOPPING", "announced", "tell"]

READY = "READY=1"
STOPPING = "STOPPING=1"
_ALIVE = "WATCHDOG=1"
_PATIENCE = 1.0  # seconds: a manager that doesn't read must not hold the event loop


def tell(state: str) -> None:
    """A manager that has gone away is no reason for this process to fail."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way,
    ):
        way.settimeout(_PATIENCE)
        way.connect(address)
        way.send(state.encode())


@contextlib.asynccontextmanager
async def announced() -> AsyncIterator[None]:
    """Ready on entering; then, twice in each period the watchdog allows, that the loop turns."""
    tell(READY)
    beating = asyncio.create_task(_beat(_period()))
    try:
        yield
    finally:
        beating.cancel()


def _period() -> float | None:
    """None without a watchdog, or with one that is meant for another process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    allowed = os.environ.get("WATCHDOG_USEC", "")
    return int(allowed) / 1e6 if allowed.isdecimal() and int(allowed) else None


async def _beat(period: float | None) -> None:
    while period is not None:
        tell(_ALIVE)
        await asyncio.sleep(period / 2)
