"""With the settings file: everything, from the public names to the place for backups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.doctor import (
    account,
    cache,
    clocks,
    database,
    host,
    processes,
    queues,
    store,
    transfer,
    versions,
)
from appliance.doctor.clocks import Clock, whose
from appliance.doctor.database import DatabaseFacts
from appliance.doctor.notes import Notes, Options
from appliance.doctor.origins import Origin
from appliance.doctor.processes import ProcessFacts
from appliance.doctor.public import Public
from appliance.doctor.report import Check, Line, Unexaminable
from appliance.doctor.store import StoreFacts
from appliance.doctor.trust import trusting
from appliance.doctor.web import Web, opened
from appliance.domain.errors import Problem
from appliance.settings import Settings
from appliance.wiring import AppServices, wire
from appliance.workers.figures import unexplained

__all__ = ["examine"]

_CLOCKS_OF_STORE = 3  # at once: a balancer gives them to as many hosts
_BROKEN = "a database doesn't answer or takes no writes"


async def examine(settings: Settings, options: Options, notes: Notes) -> None:
    trust = trusting(options.ca or settings.public_ca)
    inner = trusting(settings.store.ca)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        public = Public(
            Origin("api", settings.api_url),
            await enter(opened(trust, options.seconds)),
            trust,
            notes,
            options.seconds,
            Origin("upload", settings.upload_url),
            Origin("download", settings.download_url),
            settings.store.bucket,
        )
        inside = await enter(opened(inner, options.seconds))
        config = options.config or Path()
        services = await enter(wire(settings))
        await _Host(settings, config, options.seconds, notes, public, inside, services).all()


@dataclass
class _Host:
    settings: Settings
    config: Path
    seconds: float
    notes: Notes
    public: Public
    inside: Web
    services: AppServices
    databases: list[DatabaseFacts] = field(default_factory=list)
    store: StoreFacts | None = None
    processes: list[ProcessFacts] = field(default_factory=list)

    async def all(self) -> None:
        run = self.notes.run
        await asyncio.gather(
            self._public(),
            run(Check.DATABASE, self._database),
            run(Check.STORE, self._store),
            run(Check.CACHE, self._cache),
            run(Check.GATEWAYS, self._gateways),
            run(Check.WORKER, self._worker),
            run(Check.TIME_SERVICE, clocks.time_service),
            run(Check.CERTIFICATES, self._certificates),
            run(Check.BACKUP, self._backup),
        )
        await asyncio.gather(
            run(Check.TRANSFER, self._transfer),
            run(Check.REPLICATION, self._replication),
            run(Check.QUEUES, self._queues),
            run(Check.ORPHANS, self._orphans),
            run(Check.CLOCK, self._clocks),
            run(Check.VERSIONS, self._versions),
        )
        await self.public.ask_for_refusals()

    async def _public(self) -> None:
        origins = (self.public.api, self.public.upload, self.public.download)
        await self.public.look_at(*(each for each in origins if each is not None))
        await asyncio.gather(self.public.ask_api(), self.public.ask_cors())

    async def _database(self) -> Sequence[Line]:
        stores = self.services.stores
        looks = (database.look(each, stores, self.seconds) for each in self.settings.databases)
        self.databases = list(await asyncio.gather(*looks))
        return database.judge(self.databases)

    async def _replication(self) -> Sequence[Line]:
        primaries = [
            (each, each.standing)
            for each in self.databases
            if each.standing is not None and not each.standing.replica
        ]
        if len(primaries) < len(self.settings.databases):
            self.notes.skip(Check.REPLICATION, _BROKEN)
        return [
            found
            for each, standing in primaries
            for found in database.judge_replication(each.name, each.expected, standing)
        ]

    async def _store(self) -> Sequence[Line]:
        self.store = await store.look(self.settings.store, self.services.control, self.inside)
        return store.judge(self.store)

    async def _cache(self) -> Sequence[Line]:
        return cache.judge(await cache.look(self.settings.redis_url, self.seconds))

    async def _gateways(self) -> Sequence[Line]:
        found = await processes.look_at_gateways(self.settings, self.inside)
        self.processes += found
        return processes.judge_gateways(found)

    async def _worker(self) -> Sequence[Line]:
        found = await processes.look_at_worker(self.settings, self.inside)
        self.processes += found
        return processes.judge_worker(found)

    async def _certificates(self) -> Sequence[Line]:
        return await host.certificates(self.config, self.settings.public_ca)

    async def _backup(self) -> Sequence[Line]:
        return await host.backup(self.config, self.settings.public_ca)

    async def _transfer(self) -> Sequence[Line]:
        self._need_databases()
        public = self.public
        if not all(map(public.good, (public.api, public.upload, public.download))):
            raise Unexaminable("no browser gets to the public names: see names and tls")
        if not public.ready.ready:
            raise Unexaminable("the API isn't ready")
        # The API tells for some seconds what it has found, so it may still call itself ready.
        if self.store is None or self.store.broken:
            raise Unexaminable("the store doesn't answer")
        try:
            async with account.made(self.services, self.config) as access:
                await public.move(access)
        except Problem as problem:
            if public.moved is None:
                raise
            left = f"the account {account.login_here()}: {problem.code}"
            public.moved = replace(public.moved, left=(*public.moved.left, left))
        return transfer.judge(public.moved) if public.moved else []

    async def _queues(self) -> Sequence[Line]:
        self._need_databases()
        # By the database's clock: a doctor whose own is wrong would take anything for late.
        ahead = max(each.standing.ahead for each in self.databases if each.standing is not None)
        now = datetime.now(UTC) + timedelta(seconds=ahead)
        return queues.judge(await queues.look(self.services.stores, self.settings.limits, now))

    async def _orphans(self) -> Sequence[Line]:
        self._need_databases()
        return queues.judge_orphans(await unexplained(self.services.stores))

    async def _clocks(self) -> Sequence[Line]:
        asks = []
        if self.public.good(self.public.api):
            asks.append(("edge", f"{self.public.api.value}/health/ready", self.public.trust))
        if self.store is not None and not self.store.broken:
            url = self.settings.store.endpoint + store.HEALTH[self.store.kind]
            asks += [("store", url, trusting(self.settings.store.ca))] * _CLOCKS_OF_STORE
        found = await asyncio.gather(*(clocks.ask(*each, self.seconds) for each in asks))
        # Hosts tell their time once a part, however often they were asked.
        told = {(each.part, each.host): each for each in found if each is not None}
        return clocks.judge(
            [
                *(Clock(e.name, e.ahead) for e in self.processes if e.ahead is not None),
                *told.values(),
                *(
                    Clock(f"database {e.name}", e.standing.ahead, whose(e.standing.address))
                    for e in self.databases
                    if e.standing is not None
                ),
            ]
        )

    async def _versions(self) -> Sequence[Line]:
        releases = {each.name: each.version for each in self.processes if each.version}
        if self.public.ready.version:
            releases["api"] = self.public.ready.version
        return versions.judge(releases, [e.schema for e in self.databases if e.schema is not None])

    def _need_databases(self) -> None:
        usable = [e for e in self.databases if e.standing is not None and not e.no_writes]
        if len(usable) < len(self.settings.databases):
            raise Unexaminable(_BROKEN)
