"""Uploads, downloads and workers on real Postgres and a real object store.

One database goes with MinIO and two with SeaweedFS, so that each test sees both stores and both
routings without running four times.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from appliance.objects.control import ObjectControl
from appliance.objects.presign import Presigner
from appliance.objects.reader import ObjectReader
from appliance.services.changing import Changer
from appliance.services.trash import Trash
from appliance.settings import Database, Limits
from appliance.store.pools import Stores
from tests.objects.store_processes import BUCKET, REGION, RunningStore, running

from ..homes import Home, MovableClock
from .labour import Labour
from .world import World


@pytest.fixture(scope="session")
def object_store(
    databases: tuple[Database, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStore]:
    kind = "minio" if len(databases) == 1 else "seaweedfs"
    with running(kind, tmp_path_factory.mktemp(kind)) as found:
        yield found


@pytest.fixture(scope="session")
async def control(object_store: RunningStore) -> AsyncIterator[ObjectControl]:
    async with ObjectControl(object_store.settings) as opened:
        yield opened


@pytest.fixture(scope="session")
async def reader(object_store: RunningStore) -> AsyncIterator[ObjectReader]:
    async with ObjectReader(object_store.settings) as opened:
        yield opened


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        yield session


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
async def world(
    stores: Stores,
    clock: MovableClock,
    ids_of_session,
    control: ObjectControl,
    reader: ObjectReader,
    object_store: RunningStore,
    http: aiohttp.ClientSession,
    limits: Limits,
    home: Home,
) -> World:
    settings = object_store.settings
    return World(
        stores=stores,
        clock=clock,
        ids=ids_of_session,
        control=control,
        reader=reader,
        presigner=Presigner(settings.endpoint, REGION, BUCKET, settings.signer),
        http=http,
        limits=limits,
        home=home,
        randbits=secrets.randbits,
        settings=settings,
    )


@pytest.fixture
def trash(changer: Changer, world: World) -> Trash:
    return Trash(changer=changer, limits=world.limits)


@pytest.fixture
def labour(world: World, trash: Trash) -> Labour:
    return Labour(world, trash)
