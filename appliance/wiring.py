"""The one module that joins adapters and services; gateway, workers and stowbay-admin use it.

Test aid: with STOWBAY_CRASH_AT=STEP in the environment the process kills itself (SIGKILL) right
after the upload step of that name (docs/reference/settings.md).
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache
from appliance.cache.wakeups import Wakeups
from appliance.domain.clock import Clock, SystemClock
from appliance.domain.ids import IdMaker
from appliance.domain.tickets import Ticket
from appliance.edge import keyring
from appliance.objects.control import ObjectControl
from appliance.objects.presign import Presigner
from appliance.services.accounts import Accounts
from appliance.services.changes import ChangeFeed
from appliance.services.changing import Changer
from appliance.services.commits import Commits
from appliance.services.completion import Completion
from appliance.services.downloads import Downloads
from appliance.services.files import Files
from appliance.services.moves import Moves
from appliance.services.passwords import Passwords
from appliance.services.stat import Stat
from appliance.services.trash import Trash
from appliance.services.uploads import Uploads
from appliance.services.users import Users
from appliance.settings import Settings
from appliance.store.pools import Stores

__all__ = ["CRASH_AT", "AppServices", "wire"]

CRASH_AT = "STOWBAY_CRASH_AT"


@dataclass(frozen=True, slots=True)
class AppServices:
    settings: Settings
    clock: Clock
    ids: IdMaker
    stores: Stores
    control: ObjectControl
    cache: MetadataCache
    wakeups: Wakeups
    accounts: Accounts
    users: Users
    files: Files
    stat: Stat
    downloads: Downloads
    uploads: Uploads
    completion: Completion
    commits: Commits
    moves: Moves
    trash: Trash
    changes: ChangeFeed


@asynccontextmanager
async def wire(settings: Settings) -> AsyncIterator[AppServices]:
    """Nothing is asked of any server here: what is down is found by the first use of it."""
    clock = SystemClock()
    ids = IdMaker(lambda: time.time_ns() // 1000, secrets.randbits)
    limits, crash = settings.limits, _observer(os.environ.get(CRASH_AT))
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(Stores.open(settings.databases))
        control = await stack.enter_async_context(ObjectControl(settings.store))
        link = Link(settings.redis_url, monotonic=time.monotonic)
        stack.push_async_callback(link.close)
        cache = MetadataCache(link)
        wakeups = Wakeups(link, settings.redis_url)
        stack.push_async_callback(wakeups.close)
        wakeups.start()
        presigner = Presigner(
            settings.upload_url, settings.store.region, settings.store.bucket, settings.store.signer
        )
        passwords = Passwords()
        stack.callback(passwords.close)
        accounts = Accounts(
            stores=stores, cache=cache, clock=clock, randbits=secrets.randbits,
            passwords=passwords, limits=limits,
        )  # fmt: skip
        files = Files(stores=stores, clock=clock, cache=cache)
        completion = Completion(
            stores=stores, clock=clock, limits=limits, control=control, observe=crash
        )
        stack.push_async_callback(completion.settle)
        changer = Changer(
            stores=stores, ids=ids, clock=clock, randbits=secrets.randbits, cache=cache,
            wakeups=wakeups,
        )  # fmt: skip
        yield AppServices(
            settings=settings,
            clock=clock,
            ids=ids,
            stores=stores,
            control=control,
            cache=cache,
            wakeups=wakeups,
            accounts=accounts,
            users=Users(
                stores=stores, cache=cache, clock=clock, ids=ids, randbits=secrets.randbits,
                passwords=passwords, limits=limits,
            ),
            files=files,
            stat=Stat(cache=cache, accounts=accounts, files=files),
            downloads=Downloads(
                stores=stores, clock=clock, limits=limits,
                signer=_RingFile(Path(settings.ticket_keyring)),
                download_url=settings.download_url, bucket=settings.store.bucket, cache=cache,
            ),
            uploads=Uploads(
                stores=stores, ids=ids, clock=clock, limits=limits, control=control,
                presigner=presigner, observe=crash,
            ),
            completion=completion,
            commits=Commits(
                changer=changer, limits=limits, ensure_uploaded=completion.ensure_uploaded
            ),
            moves=Moves(changer=changer, limits=limits),
            trash=Trash(changer=changer, limits=limits),
            changes=ChangeFeed(stores=stores, limits=limits, wakeups=wakeups),
        )  # fmt: skip


class _RingFile:
    """The ring of ticket keys as the file says now: a rotation needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._ring = keyring.KeyRing(())

    def sign(self, ticket: Ticket, now: float) -> str:
        found = self._path.stat()
        if (found.st_mtime_ns, found.st_ino) != self._seen:
            self._ring = keyring.load(self._path)
            self._seen = (found.st_mtime_ns, found.st_ino)
        return self._ring.sign(ticket, now)


def _observer(crash_at: str | None) -> Callable[[str], None]:
    def nothing(_: str) -> None:
        pass

    def crash(step: str) -> None:
        if step == crash_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return crash if crash_at else nothing
