"""What can be seen through the public names, from a host and from outside alike."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from appliance.doctor import api as api_check
from appliance.doctor import cors, origins, refusals, transfer
from appliance.doctor.api import ApiFacts
from appliance.doctor.notes import Notes
from appliance.doctor.origins import Origin, OriginFacts
from appliance.doctor.report import Check, Line
from appliance.doctor.transfer import Access, TransferFacts
from appliance.doctor.web import BROKEN, Web

__all__ = ["Public"]


@dataclass
class Public:
    """Facts as they come; what needs a fact that isn't there says so in the notes."""

    api: Origin
    web: Web
    trust: ssl.SSLContext
    notes: Notes
    seconds: float
    upload: Origin | None = None
    download: Origin | None = None
    bucket: str = ""
    ready: ApiFacts = field(default_factory=lambda: ApiFacts(0))
    seen: list[OriginFacts] = field(default_factory=list)
    moved: TransferFacts | None = None

    def good(self, origin: Origin | None) -> bool:
        return any(each.good and each.origin == origin for each in self.seen)

    async def look_at(self, *wanted: Origin) -> None:
        """Names, certificates, what is answered without TLS."""

        async def work() -> Sequence[Line]:
            looks = (origins.look(each, self.trust, self.seconds) for each in wanted)
            found = await asyncio.gather(*looks)
            self.seen += found
            return origins.judge(found, datetime.now(UTC))

        await self.notes.run(Check.TLS, work)

    async def ask_api(self) -> None:
        async def work() -> Sequence[Line]:
            try:
                self.ready = await api_check.look(self.api, self.web)
            except BROKEN:
                self.ready = ApiFacts(0)
            return api_check.judge(self.ready)

        if self.good(self.api):
            await self.notes.run(Check.API, work)
        else:
            self.notes.skip(Check.API, "no browser gets there: see names and tls")

    async def ask_cors(self) -> None:
        upload, download = self.upload, self.download
        if upload is None or download is None or not self.bucket:
            self.notes.skip(Check.CORS, "the upload and download hosts are unknown from here")
            return
        if not (self.good(upload) and self.good(download)):
            self.notes.skip(Check.CORS, "no browser gets there: see names and tls")
            return

        async def work() -> Sequence[Line]:
            found = await cors.look(self.web, self.api, upload, download, self.bucket)
            return cors.judge(found)

        await self.notes.run(Check.CORS, work)

    async def move(self, access: Access) -> None:
        """The file in and out; its lines are added by `judge_transfer`, when all is removed."""
        self.moved = await transfer.look(access, self.web, self.trust)
        self.upload = self.upload or self.moved.upload
        self.download = self.download or self.moved.download
        self.bucket = self.bucket or self.moved.bucket

    async def ask_for_refusals(self) -> None:
        if not self.good(self.api):
            self.notes.skip(Check.REFUSALS, "no browser gets there: see names and tls")
            return

        async def work() -> Sequence[Line]:
            upload = self.upload if self.bucket and self.good(self.upload) else None
            download = self.download if self.good(self.download) else None
            found = await refusals.look(self.web, self.api, upload, download, self.bucket)
            moved = self.moved
            if moved is None or moved.canary is None:
                self.notes.skip(Check.REFUSALS, "headers on a signed URL: no PUT worked before")
            elif moved.canary.status == 200 and moved.canary.same is None:
                self.notes.skip(Check.REFUSALS, "headers on a signed URL: no file came back")
            return refusals.judge(
                [*found, *(moved.probes if moved else ())], moved.canary if moved else None
            )

        await self.notes.run(Check.REFUSALS, work)
