"""One small file in by a presigned PUT and out by a ticket, through the public names alone.

A second one goes with headers that the edge must drop (refusals.py). Both are deleted for good
afterwards, and the session ends, whatever happened between.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import msgspec

from appliance.client.accounts import AccountCalls
from appliance.client.api import Api
from appliance.client.backoff import Endurance, Patience
from appliance.client.blobs import BlobCalls, UploadCalls
from appliance.client.tree import TreeCalls
from appliance.doctor.origins import Origin
from appliance.doctor.refusals import CONTRADICTING, UNSIGNED_TRAILER, Canary, Probe
from appliance.doctor.report import Line, line
from appliance.doctor.web import BROKEN, Answer, Web, reason
from appliance.domain.errors import Problem
from appliance.wire.accounts import SignIn
from appliance.wire.nodes import TicketTarget
from appliance.wire.uploads import BeginUpload, ChunkSpec, CommitTarget, PartUrl

__all__ = ["Access", "TransferFacts", "judge", "look"]

_SIZE = 4096
_CLEANING_SECONDS = 10.0
_PREFIX = ".stowbay-doctor-"


@dataclass(frozen=True, slots=True)
class Access:
    """An account to do it with, and the trust to reach the API by."""

    api: Origin
    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """`stopped`: the finding that ended it, and what was seen. Origins and bucket are those of the
    URLs that the API gave. `left`: what couldn't be removed."""

    stopped: tuple[str, str] | None = None
    upload: Origin | None = None
    download: Origin | None = None
    bucket: str = ""
    probes: tuple[Probe, ...] = ()
    canary: Canary | None = None
    left: tuple[str, ...] = ()
    seconds: float = 0.0


class _Stopped(Exception):
    def __init__(self, finding: str, seen: str) -> None:
        super().__init__(finding)
        self.finding, self.seen = finding, seen


async def look(access: Access, web: Web, trust: ssl.SSLContext) -> TransferFacts:
    began = asyncio.get_running_loop().time()
    run = _Run(access, web)
    try:
        async with _signed_in(access, trust, run) as api:
            await run.all(api)
    except _Stopped as stopped:
        run.facts = replace(run.facts, stopped=(stopped.finding, stopped.seen))
    except Problem as problem:
        seen = f"{run.step}: {problem} ({problem.code})"
        finding = "transfer.refused" if run.step != "sign in" else "transfer.sign-in"
        run.facts = replace(run.facts, stopped=(finding, seen))
    seconds = asyncio.get_running_loop().time() - began
    return replace(run.facts, seconds=seconds, left=tuple(run.left))


@asynccontextmanager
async def _signed_in(access: Access, trust: ssl.SSLContext, run: _Run) -> AsyncIterator[Api]:
    """Nothing is repeated: what passes at the second try is worth knowing."""
    lasting = Endurance(Patience(total=0.0), secrets.SystemRandom().random)
    async with Api(access.api.value, trust, endurance=lasting) as api:
        request = SignIn(login=access.login, password=access.password, device="stowbay-doctor")
        session = await AccountCalls(api).sign_in(request)
    run.space = session.account.space
    async with Api(access.api.value, trust, endurance=lasting, token=session.token) as api:
        try:
            yield api
        finally:
            try:
                async with asyncio.timeout(_CLEANING_SECONDS):
                    await run.clean_up(api)
            except TimeoutError:
                run.left.append("what was not removed in time")


class _Run:
    """The steps, in order; `step` says where it is."""

    def __init__(self, access: Access, web: Web) -> None:
        self.facts = TransferFacts()
        self.step = "sign in"
        self.space = ""
        self.left: list[str] = []
        self._api = access.api
        self._web = web
        self._uploads: set[str] = set()
        self._nodes: list[str] = []

    async def all(self, api: Api) -> None:
        plain, canary = secrets.token_bytes(_SIZE), secrets.token_bytes(_SIZE)
        calls = UploadCalls(api, self.space)
        self.step = "begin"
        begun = await calls.begin([_announced(plain), _announced(canary)])
        ids, urls = [], []
        for outcome in begun.items:
            if outcome.upload is None or not outcome.urls:
                raise _Stopped("transfer.refused", f"begin: {outcome.status} {outcome.code or ''}")
            ids.append(outcome.upload.id)
            urls.append(outcome.urls[0])
        self._uploads = set(ids)
        self._learn_upload(urls[0])
        self.step = "put"
        forged = await self._put(_forged(urls[1]), b"", UNSIGNED_TRAILER)
        answer = await self._put(urls[0], plain, {})
        if answer.status != 200:
            raise _Stopped("transfer.put", f"answered {answer.status} {_code(answer)}")
        disguised = await self._put(_with(urls[0], "&acl"), plain, {})
        source = urlsplit(urls[0].url).path
        odd = await self._put(urls[1], canary, CONTRADICTING | {"X-Amz-Copy-Source": source})
        probes = (Probe("PUT on a signed URL that says acl, too", disguised.status),)
        contradicted = Canary(forged.status, odd.status, None)
        self.facts = replace(self.facts, probes=probes, canary=contradicted)
        self.step = "commit"
        arrived = ids if odd.status == 200 else ids[:1]
        first, *others = await self._commit(api, calls, arrived)
        self.step = "get"
        got = await self._fetched(api, first)
        if got != plain:
            raise _Stopped("transfer.bytes", f"{len(got)} bytes came, {_SIZE} were put")
        for node in others:
            # Not the same either if it doesn't come at all, as the first one came.
            self.facts = replace(self.facts, canary=replace(contradicted, same=False))
            same = await self._fetched(api, node) == canary
            self.facts = replace(self.facts, canary=replace(contradicted, same=same))

    async def _put(self, url: PartUrl, body: bytes, more: dict[str, str]) -> Answer:
        given = dict(url.headers)
        if len(body) != _SIZE:
            given = {
                name: value for name, value in given.items() if name.lower() != "content-length"
            }
        try:
            return await self._web.ask("PUT", url.url, headers=given | more, body=body)
        except BROKEN as error:
            raise _Stopped("transfer.put", reason(error)) from None

    def _learn_upload(self, url: PartUrl) -> None:
        found = urlsplit(url.url)
        origin = Origin("upload", f"{found.scheme}://{found.netloc}")
        self._apart(origin)
        bucket = found.path.split("/")[1]
        self.facts = replace(self.facts, upload=origin, bucket=bucket)

    def _apart(self, origin: Origin) -> None:
        if origin.value == self._api.value:
            raise _Stopped("transfer.through-gateway", f"{origin.role} leads to {origin.value}")

    async def _commit(self, api: Api, calls: UploadCalls, ids: list[str]) -> list[str]:
        space = await TreeCalls(api, self.space).space()
        targets = [
            CommitTarget(
                kind="file", parent=space.root, upload=each,
                name=f"{_PREFIX}{secrets.token_hex(8)}",
            )
            for each in ids
        ]  # fmt: skip
        committed = await calls.commit(targets)
        for upload, outcome in zip(ids, committed.items, strict=True):
            if outcome.node is None:
                raise _Stopped("transfer.refused", f"commit: {outcome.status} {outcome.code or ''}")
            self._nodes.append(outcome.node)
            self._uploads.discard(upload)
        return self._nodes

    async def _fetched(self, api: Api, node: str) -> bytes:
        told = await BlobCalls(api, self.space).tickets([TicketTarget(node=node)])
        ticket = told.items[0].ticket
        if ticket is None or ticket.url is None:
            raise _Stopped("transfer.refused", f"ticket: {told.items[0].code or 'none'}")
        found = urlsplit(ticket.url)
        origin = Origin("download", f"{found.scheme}://{found.netloc}")
        self._apart(origin)
        self.facts = replace(self.facts, download=origin)
        try:
            answer = await self._web.ask("GET", ticket.url)
        except BROKEN as error:
            raise _Stopped("transfer.get", reason(error)) from None
        if answer.status != 200:
            raise _Stopped("transfer.get", f"answered {answer.status} {_code(answer)}")
        return answer.body

    async def clean_up(self, api: Api) -> None:
        """A session that isn't ended is no harm worth a line: it dies by itself."""
        tree, calls = TreeCalls(api, self.space), UploadCalls(api, self.space)
        for node in self._nodes:
            try:
                await tree.purge(node, None)
            except Problem as problem:
                self.left.append(f"a file named {_PREFIX}…: {problem.code}")
        for upload in self._uploads:
            try:
                await calls.abort(upload)
            except Problem as problem:
                self.left.append(f"an upload: {problem.code}")
        try:
            await AccountCalls(api).sign_out()
        except Problem as problem:
            self.left.append(f"a session named stowbay-doctor: {problem.code}")


def _announced(data: bytes) -> BeginUpload:
    digest = hashlib.sha256(data).hexdigest()
    chunk = ChunkSpec(length=len(data), sha256=digest)
    return BeginUpload(size=len(data), chunks=[chunk], sha256=digest)


def _forged(url: PartUrl) -> PartUrl:
    head, _, signature = url.url.partition("X-Amz-Signature=")
    rest = signature.partition("&")[2]
    forged = f"{head}X-Amz-Signature={'0' * 64}{'&' + rest if rest else ''}"
    return PartUrl(part=url.part, url=forged, headers=url.headers, expires_at=url.expires_at)


def _with(url: PartUrl, more: str) -> PartUrl:
    return PartUrl(
        part=url.part, url=url.url + more, headers=url.headers, expires_at=url.expires_at
    )


def _code(answer: Answer) -> str:
    """Of the edge's problem+json; its text names nothing inner."""
    try:
        return str(msgspec.json.decode(answer.body, type=_Body).code)
    except msgspec.DecodeError:
        return ""


class _Body(msgspec.Struct):
    code: str = ""


def judge(found: TransferFacts) -> list[Line]:
    lines = []
    if found.stopped is not None:
        finding, seen = found.stopped
        lines.append(line(finding, "public names", seen))
    elif found.upload is not None and found.download is not None:
        seen = (
            f"{_SIZE} bytes by {found.upload.value} and {found.download.value},"
            f" {found.seconds:.1f} s"
        )
        lines.append(line("transfer.ok", "public names", seen))
    if found.left:
        lines.append(line("transfer.left", "public names", "; ".join(found.left)))
    return lines
