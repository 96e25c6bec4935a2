"""Calls about bytes: uploads, commits, tickets. The bytes themselves never pass here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from appliance.client.api import Api
from appliance.client.pages import stream
from appliance.wire.nodes import Chunks, Mismatch, TicketRequest, Tickets, TicketTarget
from appliance.wire.uploads import (
    Begin,
    BeginUpload,
    Begun,
    Commit,
    CommitTarget,
    Committed,
    PartUrls,
    Recorded,
    RecordedPart,
    RecordParts,
    SignParts,
    Upload,
    Uploads,
)

__all__ = ["BlobCalls", "UploadCalls"]


@dataclass(frozen=True, slots=True)
class UploadCalls:
    """Uploads and the commits that give them names."""

    api: Api
    space_id: str

    async def begin(self, uploads: Sequence[BeginUpload]) -> Begun:
        return await self.api.call(
            "POST",
            f"spaces/{self.space_id}/uploads",
            Begun,
            body=Begin(uploads=list(uploads)),
            keyed=True,
        )

    def open(self) -> AsyncIterator[Upload]:
        return stream(self.api, f"spaces/{self.space_id}/uploads", Uploads)

    async def get(self, upload: str) -> Upload:
        return await self.api.call("GET", f"uploads/{quote(upload, safe='')}", Upload)

    async def sign(self, upload: str, parts: Sequence[int]) -> PartUrls:
        return await self.api.call(
            "POST", f"uploads/{upload}/urls", PartUrls, body=SignParts(parts=list(parts))
        )

    async def record(self, upload: str, parts: Sequence[RecordedPart]) -> Recorded:
        return await self.api.call(
            "PATCH", f"uploads/{upload}/parts", Recorded, body=RecordParts(parts=list(parts))
        )

    async def chunks(self, node: str, version: str) -> Chunks:
        return await _chunks(self.api, node, version)

    async def complete(self, upload: str) -> Upload:
        return await self.api.call("POST", f"uploads/{upload}/complete", Upload)

    async def abort(self, upload: str) -> Upload:
        return await self.api.call("DELETE", f"uploads/{quote(upload, safe='')}", Upload)

    async def commit(self, targets: Sequence[CommitTarget]) -> Committed:
        return await self.api.call(
            "POST",
            f"spaces/{self.space_id}/commits",
            Committed,
            body=Commit(targets=list(targets)),
            keyed=True,
        )


@dataclass(frozen=True, slots=True)
class BlobCalls:
    """What a download needs."""

    api: Api
    space_id: str

    async def tickets(self, targets: Sequence[TicketTarget]) -> Tickets:
        return await self.api.call(
            "POST",
            "tickets",
            Tickets,
            body=TicketRequest(targets=list(targets), chunks=True),
            space=self.space_id,
        )

    async def chunks(self, node: str, version: str | None) -> Chunks:
        return await _chunks(self.api, node, version)

    async def mismatch(self, node: str, version: str, index: int) -> None:
        await self.api.call(
            "POST",
            f"nodes/{quote(node, safe='')}/mismatch",
            type(None),
            body=Mismatch(version=version, index=index),
        )


async def _chunks(api: Api, node: str, version: str | None) -> Chunks:
    return await api.call(
        "GET", f"nodes/{quote(node, safe='')}/chunks", Chunks, query={"version": version}
    )
