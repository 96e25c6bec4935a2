"""One request to the gateway: sent, repeated where that is safe, decoded, or raised as a Problem.

Repeated: reads, and whatever carries an Idempotency-Key or is idempotent by nature (`repeat`), on
503, 429 and broken connections, as Patience says. A sign-in that is refused with 429 is not.

Read-your-writes: the highest Stowbay-Seq seen of a space goes back with every later request about
it. The space of a node or upload is in its id, so no caller has to pass it.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from appliance import __version__
from appliance.client.backoff import Endurance
from appliance.client.errors import CertificateRefused, Protocol, Unreachable
from appliance.domain.errors import ALL, Problem, TooManyAttempts, Unavailable

__all__ = ["Api", "problem_from", "space_of"]

T = TypeVar("T")

_BREAKS = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError, OSError)
_REPEATED_STATUS = frozenset({429, 502, 503, 504})


class Api:
    """A session with one server. `base` is e.g. https://localhost:8443, without /api/v1."""

    def __init__(
        self,
        base: str,
        tls: ssl.SSLContext,
        *,
        endurance: Endurance,
        token: str | None = None,
        randbits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._base = base.rstrip("/") + "/api/v1/"
        self._tls = tls
        self._token = token
        self._endurance = endurance
        self._randbits = randbits
        self._seqs: dict[str, int] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=16, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=120),
            headers={"User-Agent": f"stowbay/{__version__}", "Accept": "application/json"},
            skip_auto_headers=("Content-Type",),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def seq(self, space: str) -> int:
        """The highest seq of the space that any answer in this process carried."""
        return self._seqs.get(space, 0)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: msgspec.Struct | None = None,
        query: Mapping[str, str | int | None] | None = None,
        space: str | None = None,
        once: bool = False,
        keyed: bool = False,
    ) -> T:
        """`path` without /api/v1/. `once`: never repeated. `keyed`: one Idempotency-Key for all
        tries. An answer of type(None) is an empty body."""
        about = space or space_of(path)
        headers = self._headers(about, keyed)
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        params = {k: str(v) for k, v in (query or {}).items() if v is not None}
        attempt, waited = 1, 0.0
        while True:
            failure: Problem
            try:
                return await self._once(method, path, answer, data, params, headers, about)
            except (Unavailable, TooManyAttempts, Unreachable) as problem:
                failure = problem
            delay = None if once else self._endurance.wait(attempt, waited, failure.retry_after)
            if delay is None:
                raise failure
            await asyncio.sleep(delay)
            attempt, waited = attempt + 1, waited + delay

    def _headers(self, space: str | None, keyed: bool) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if space is not None and (seen := self._seqs.get(space)):
            headers["Stowbay-Seq"] = str(seen)
        if keyed:
            headers["Idempotency-Key"] = f"{self._randbits(128):032x}"
        return headers

    async def _once(
        self,
        method: str,
        path: str,
        answer: type[T],
        data: bytes | None,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        space: str | None,
    ) -> T:
        assert self._session is not None, "used outside its `async with`"
        url = self._base + path
        try:
            async with self._session.request(
                method, url, data=data, params=params, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.read()
        except aiohttp.ClientConnectorCertificateError as error:
            raise CertificateRefused(
                f"The certificate of {self._base} isn't trusted ({error.certificate_error}). "
                "Give its CA when signing in: stowbay login --ca FILE URL"
            ) from error
        except aiohttp.InvalidURL as error:
            raise Unreachable(f"{self._base} isn't an address of a server.") from error
        except _BREAKS as error:
            raise Unreachable(f"No connection to {self._base} ({_reason(error)}).") from error
        if response.status >= 300:
            raise problem_from(response.status, response.headers, raw)
        self._endurance.succeeded()
        if space is not None and (seq := response.headers.get("Stowbay-Seq", "")).isdigit():
            self._seqs[space] = max(int(seq), self._seqs.get(space, 0))
        if answer is type(None):
            return None
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.DecodeError as error:
            raise Protocol(f"{method} {path}: {error}. Is the client older than the server?") from (
                error
            )


def space_of(path: str) -> str | None:
    """The opaque space id in "spaces/s…/…", or of the node or upload in "nodes/n…"."""
    family, _, rest = path.partition("/")
    id = rest.partition("/")[0]
    if family == "spaces":
        return id
    if family in ("nodes", "uploads") and len(id) == 23:
        try:
            raw = base64.urlsafe_b64decode(id[1:] + "==")
        except ValueError:
            return None
        return "s" + base64.urlsafe_b64encode(raw[:8]).rstrip(b"=").decode("ascii")
    return None


class _Body(msgspec.Struct):
    code: str = ""
    detail: str = ""
    title: str = ""
    request_id: str = ""


def problem_from(status: int, headers: Mapping[str, str], raw: bytes) -> Problem:
    """The server's problem+json as the class that its code names; nginx's own answers too."""
    after = headers.get("Retry-After", "")
    retry_after = float(after) if after.isdigit() else None
    try:
        body = msgspec.json.decode(raw, type=_Body)
        extra: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        body, extra = _Body(), {}
    if kind := ALL.get(body.code):
        known = {"type", "title", "status", "code", "detail"}
        rest = {k: v for k, v in extra.items() if k not in known}
        return kind(body.detail or body.title, extra=rest, retry_after=retry_after)
    detail = body.detail or body.title or f"The server answered {status}."
    if status == 429:
        return TooManyAttempts(detail, retry_after=retry_after)
    if status in _REPEATED_STATUS:
        return Unavailable(detail, retry_after=retry_after)
    if body.code:
        return _unknown(body.code, detail)
    return Protocol(f"The server answered {status}, and not as Stowbay does. Is the URL right?")


def _unknown(code: str, detail: str) -> Problem:
    return Problem(f"{detail} ({code})", extra={"code": code})


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return str(error) or type(error).__name__
