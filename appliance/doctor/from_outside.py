"""With a URL, and an account where there is one: only what anybody could see."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.doctor import clocks, transfer, versions
from appliance.doctor.clocks import Clock
from appliance.doctor.notes import Notes, Options
from appliance.doctor.origins import Origin
from appliance.doctor.public import Public
from appliance.doctor.report import Check, Line
from appliance.doctor.transfer import Access
from appliance.doctor.trust import trusting
from appliance.doctor.web import opened

__all__ = ["examine"]

_INSIDE = (
    Check.TIME_SERVICE, Check.DATABASE, Check.REPLICATION, Check.STORE, Check.CACHE,
    Check.GATEWAYS, Check.WORKER, Check.QUEUES, Check.ORPHANS, Check.CERTIFICATES, Check.BACKUP,
)  # fmt: skip


async def examine(options: Options, notes: Notes) -> None:
    trust = trusting(options.ca)
    api = Origin("api", options.url.rstrip("/"))
    async with opened(trust, options.seconds) as web:
        public = Public(api, web, trust, notes, options.seconds)
        await public.look_at(api)
        await public.ask_api()
        await _move(public, options)
        known = [each for each in (public.upload, public.download) if each is not None]
        if known:
            await public.look_at(*known)
        await public.ask_cors()
        await public.ask_for_refusals()

    async def compare_clocks() -> Sequence[Line]:
        ahead = public.ready.ahead
        return clocks.judge([] if ahead is None else [Clock("api", ahead, "outside")])

    async def compare_versions() -> Sequence[Line]:
        version = public.ready.version
        return versions.judge({"api": version} if version else {}, [])

    await notes.run(Check.CLOCK, compare_clocks)
    await notes.run(Check.VERSIONS, compare_versions)
    for check in _INSIDE:
        notes.skip(check, "can't be seen from outside")


async def _move(public: Public, options: Options) -> None:
    if not options.login:
        public.notes.skip(Check.TRANSFER, "no account was given")
    elif not public.ready.ready:
        public.notes.skip(Check.TRANSFER, "the API isn't ready")
    else:

        async def work() -> Sequence[Line]:
            access = Access(public.api, options.login, options.password)
            await public.move(access)
            return transfer.judge(public.moved) if public.moved else []

        await public.notes.run(Check.TRANSFER, work)
