"""What a test of uploads needs: a client's hands, the services, and a look behind them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import msgspec

from appliance.domain import ids
from appliance.domain.chunking import Chunk, fingerprint
from appliance.objects.control import ObjectControl
from appliance.objects.keys import space_prefix
from appliance.objects.presign import Presigner
from appliance.objects.reader import ObjectReader
from appliance.services.completion import Completion
from appliance.services.upload_steps import Executor
from appliance.services.upload_store import nothing
from appliance.services.uploads import Uploads
from appliance.settings import Limits, ObjectStore
from appliance.store.pools import Stores
from appliance.wire import uploads as wire

from ..homes import Home, MovableClock

MIB = 1 << 20


class CrashError(BaseException):
    """The process ends here; nothing that is left to do gets done."""


def crash_at(step: str) -> Callable[[str], None]:
    def observe(done: str) -> None:
        if done == step:
            raise CrashError(step)

    return observe


@dataclass(frozen=True)
class File:
    """Content that is cut as a client cuts it; borders may be anywhere the class allows."""

    pieces: tuple[bytes, ...]

    @classmethod
    def small(cls, size: int = 1000) -> File:
        return cls((secrets.token_bytes(size),))

    @classmethod
    def large(cls, parts: int = 2) -> File:
        seed = secrets.token_bytes(1 << 16)
        full = tuple(secrets.token_bytes(16) + seed * 80 for _ in range(parts - 1))
        return cls((*full, secrets.token_bytes(100)))

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        return tuple(Chunk(len(p), hashlib.sha256(p).digest()) for p in self.pieces)

    def asked(self, **changes: Any) -> wire.BeginUpload:
        fields: dict[str, Any] = {
            "size": len(self.body),
            "chunks": [wire.ChunkSpec(length=c.length, sha256=c.sha256.hex()) for c in self.chunks],
            "sha256": hashlib.sha256(self.body).hexdigest(),
            "fingerprint": fingerprint(0, self.chunks).hex(),
        }
        return wire.BeginUpload(**{**fields, **changes})


@dataclass(frozen=True)
class World:
    stores: Stores
    clock: MovableClock
    ids: ids.IdMaker
    control: ObjectControl
    reader: ObjectReader
    presigner: Presigner
    http: aiohttp.ClientSession
    limits: Limits
    home: Home
    randbits: Callable[[int], int]
    settings: ObjectStore
    observe: Callable[[str], None] = nothing

    def unreachable(self) -> ObjectControl:
        """Where no store answers."""
        return ObjectControl(msgspec.structs.replace(self.settings, endpoint="http://127.0.0.1:9"))

    def watched(self, observe: Callable[[str], None]) -> World:
        return replace(self, observe=observe)

    def at(self, home: Home) -> World:
        return replace(self, home=home)

    def with_limits(self, **changes: Any) -> World:
        return replace(self, limits=msgspec.structs.replace(self.limits, **changes))

    @property
    def uploads(self) -> Uploads:
        return Uploads(
            stores=self.stores,
            ids=self.ids,
            clock=self.clock,
            limits=self.limits,
            control=self.control,
            presigner=self.presigner,
            observe=self.observe,
        )

    @property
    def completion(self) -> Completion:
        return Completion(
            stores=self.stores,
            clock=self.clock,
            limits=self.limits,
            control=self.control,
            observe=self.observe,
        )

    @property
    def executor(self) -> Executor:
        return Executor(
            stores=self.stores, control=self.control, clock=self.clock, limits=self.limits
        )

    async def begin(self, *files: File, key: str | None = None) -> list[wire.BeginOutcome]:
        request = wire.Begin(uploads=[file.asked() for file in files])
        begun = await self.uploads.begin(self.home.caller, self.home.space, request, key)
        return begun.items

    async def send(self, url: wire.PartUrl, body: bytes) -> tuple[int, str]:
        """Status and ETag."""
        headers = {"x-amz-checksum-sha256": url.headers["x-amz-checksum-sha256"]}
        async with self.http.put(url.url, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status, answer.headers.get("ETag", "")

    async def fill(self, outcome: wire.BeginOutcome, file: File) -> dict[int, str]:
        """Sends every part that has a URL and records it; part -> ETag."""
        assert outcome.upload is not None
        etags: dict[int, str] = {}
        for url in outcome.urls:
            status, etag = await self.send(url, file.pieces[url.part - 1])
            assert status == 200, status
            etags[url.part] = etag
        if etags and outcome.upload.method == "multipart":
            parts = [wire.RecordedPart(part=n, etag=e) for n, e in etags.items()]
            recorded = await self.uploads.record(
                self.home.caller, outcome.upload.id, wire.RecordParts(parts=parts)
            )
            assert recorded.recorded == sorted(etags), recorded
        return etags

    async def put(self, file: File) -> wire.Upload:
        """The whole of an upload, up to its commit."""
        outcome = (await self.begin(file))[0]
        assert outcome.upload is not None, outcome
        await self.fill(outcome, file)
        return await self.completion.complete(self.home.caller, outcome.upload.id)

    async def one(self, sql: str, **values: Any) -> Any:
        async with self.stores.tx(self.home.space_id) as conn:
            cursor = await conn.execute(sql, {"space_id": self.home.space_id, **values})
            return await cursor.fetchone()

    async def run(self, sql: str, **values: Any) -> None:
        async with self.stores.tx(self.home.space_id) as conn:
            await conn.execute(sql, {"space_id": self.home.space_id, **values})

    async def state(self, upload: str) -> str | None:
        row = await self.one(
            "select state from uploads where space_id = %(space_id)s and upload_id = %(id)s",
            id=ids.decode("u", upload)[1],
        )
        return None if row is None else str(row.state)

    async def key(self, upload: str) -> str:
        row = await self.one(
            "select object_key from uploads where space_id = %(space_id)s and upload_id = %(id)s",
            id=ids.decode("u", upload)[1],
        )
        return str(row.object_key)

    async def objects(self) -> dict[str, int]:
        """Everything that the store holds of this space."""
        listed = await self.control.list_prefix(space_prefix(self.home.space_id))
        return {stored.key: stored.size for stored in listed}

    async def unfinished(self, key: str) -> int:
        """Multipart uploads that the store still holds for the key."""
        return len([u async for u in self.control.list_uploads(key) if u.key == key])

    async def bytes_of(self, key: str) -> bytes:
        return b"".join([piece async for piece in self.reader.read(key)])

    async def live_blobs(self) -> int:
        row = await self.one(
            "select count(*) as n from blobs where space_id = %(space_id)s and state = 'live'"
        )
        return int(row.n)
