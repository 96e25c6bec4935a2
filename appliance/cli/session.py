"""What a verb works with: the profile's server, and calls to it."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import uvloop

from appliance.client import profile
from appliance.client.accounts import AccountCalls
from appliance.client.api import Api
from appliance.client.backoff import Endurance, Patience
from appliance.client.blobs import BlobCalls, UploadCalls
from appliance.client.profile import Profile
from appliance.client.tree import HistoryCalls, TreeCalls

__all__ = ["Session", "endurance", "run", "signed_in"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    profile: Profile
    tls: ssl.SSLContext
    endurance: Endurance
    account: AccountCalls
    tree: TreeCalls
    history: HistoryCalls
    uploads: UploadCalls
    blobs: BlobCalls


def endurance() -> Endurance:
    """$STOWBAY_PATIENCE: seconds to go on trying while the server can't be reached."""
    text = os.environ.get("STOWBAY_PATIENCE", "")
    patience = Patience(total=float(text)) if text.replace(".", "", 1).isdigit() else Patience()
    return Endurance(patience, random.SystemRandom().random)


@asynccontextmanager
async def signed_in() -> AsyncIterator[Session]:
    """Raises NotSignedIn."""
    found = profile.load(profile.directory(os.environ))
    tls = profile.context(found.ca)
    lasting = endurance()
    async with Api(found.url, tls, endurance=lasting, token=found.token) as api:
        yield Session(
            profile=found,
            tls=tls,
            endurance=lasting,
            account=AccountCalls(api),
            tree=TreeCalls(api, found.space),
            history=HistoryCalls(api, found.space),
            uploads=UploadCalls(api, found.space),
            blobs=BlobCalls(api, found.space),
        )


def run(work: Callable[[Session], Awaitable[T]]) -> T:
    """A verb's work, signed in, in an event loop of its own."""

    async def whole() -> T:
        async with signed_in() as session:
            return await work(session)

    return uvloop.run(whole())
