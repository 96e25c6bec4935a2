"""Whether a primary takes writes. Nothing but a write tells: Patroni keeps a leader that answers,
whose every insert fails because its disk is full.
"""

from __future__ import annotations

import asyncio

import psycopg

from appliance.domain.errors import DatabaseUnavailable
from appliance.settings import Database

from .pools import Stores

__all__ = ["why_not_writable"]

# A table of its own needs new room on the disk each time, where a row may still find some in a
# page that is there; its entry in the catalogue goes to the synchronous standby, as all writes do.
_PROBE = "create temporary table stowbay_write_probe on commit drop as select 1 as one"


async def why_not_writable(stores: Stores, database: Database, patience: float) -> str:
    """Empty when one write that needs room was committed in `patience` seconds, unrepeated.

    A COMMIT that waits for a standby in vain ends by no limit of the database, so it is given up
    from here; what it wrote is gone with its transaction or does no harm.
    """
    try:
        async with (
            asyncio.timeout(patience),
            stores.tx(max(database.first_slot << 47, 1)) as conn,
        ):
            await conn.execute(f"set local statement_timeout = '{patience + 2:g}s'")
            await conn.execute(_PROBE)
    except TimeoutError:
        return f"no answer in {patience:g} s"
    except (DatabaseUnavailable, psycopg.Error) as error:
        cause = error.__cause__ or error
        state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
        return f"{state or type(cause).__name__}: {cause}"
    return ""
