"""Real Postgres, as one database and as two with a slot map between.

Every test of this folder that takes `stores` runs on both, so that a statement that crosses keys
fails. Spaces are never shared between tests: `new_space` makes one, in either half.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from appliance.domain import ids
from appliance.domain.access import Caller
from appliance.services.changing import Changer
from appliance.services.commits import Commits
from appliance.services.files import Files
from appliance.settings import Database, Limits
from appliance.store import spaces
from appliance.store.migrate import migrate
from appliance.store.pools import Stores

from . import postgres
from .drawing import Drawer
from .homes import Home, MovableClock
from .postgres import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with postgres.running() as found:
        yield found


@pytest.fixture(scope="session", params=["one", "two"])
def databases(request: pytest.FixtureRequest, cluster: Cluster) -> tuple[Database, ...]:
    """One database for all slots, or the halves of the slots on two."""
    ends = [0, 65536] if request.param == "one" else [0, 32768, 65536]
    found = []
    for number, (first, end) in enumerate(itertools.pairwise(ends)):
        dsn = cluster.create(f"{request.param}_{number}")
        migrate(dsn)
        found.append(Database(f"{request.param}-{number}", dsn, dsn, first, end - 1))
    return tuple(found)


@pytest.fixture(scope="session")
async def stores(databases: tuple[Database, ...]) -> AsyncIterator[Stores]:
    async with Stores.open(databases) as found:
        yield found


@pytest.fixture(scope="session")
def ids_of_session() -> ids.IdMaker:
    return ids.IdMaker(lambda: int(datetime.now(UTC).timestamp() * 1_000_000), secrets.randbits)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def new_home(stores: Stores, clock: MovableClock):
    """async new_home(quota=..., versions_kept=..., half=0|1|None) -> Home"""

    async def make(quota: int = 1 << 30, versions_kept: int = 100, half: int | None = None) -> Home:
        space_id = ids.new_key(secrets.randbits)
        if half is not None:
            space_id = space_id & ((1 << 62) - 1) | half << 62
        user_id = ids.new_key(secrets.randbits)
        async with stores.tx(space_id) as conn:
            await spaces.create(
                conn,
                space_id,
                user_id,
                quota_bytes=quota,
                versions_kept=versions_kept,
                now=clock.now(),
            )
        caller = Caller(user_id, 1, space_id, "user", "someone", "test")
        return Home(caller, space_id, quota)

    return make


@pytest.fixture
async def home(new_home) -> Home:
    return await new_home()


@pytest.fixture
def changer(stores: Stores, ids_of_session: ids.IdMaker, clock: MovableClock) -> Changer:
    return Changer(stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits)


@pytest.fixture
def commits(changer: Changer, limits: Limits) -> Commits:
    return Commits(changer=changer, limits=limits)


@pytest.fixture
def files(stores: Stores, clock: MovableClock) -> Files:
    return Files(stores=stores, clock=clock)


@pytest.fixture
def draw(
    stores: Stores, ids_of_session: ids.IdMaker, clock: MovableClock, commits: Commits
) -> Drawer:
    return Drawer(stores, ids_of_session, clock, commits)
