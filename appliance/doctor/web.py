"""Requests as they stand: no redirect is followed, nothing is repeated, no proxy is asked."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from appliance import __version__

__all__ = ["BROKEN", "Answer", "Web", "ahead_of", "opened", "reason"]

_PROMPT = 1.0  # seconds: a slower answer tells too little of the clock
BROKEN = (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True)
class Answer:
    """`ahead`: seconds by which the Date header is before ours, half a second off at most, and half
    the time the answer took; None without one, and when that was long. Names of headers are in
    small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ahead: float | None


@dataclass(frozen=True, slots=True)
class Web:
    session: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The URL goes out letter for letter: it may be signed. Raises what BROKEN names."""
        began = time.time()
        async with self.session.request(
            method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        ) as response:
            took = time.time() - began
            raw = await response.read()
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, raw, ahead_of(found.get("date", ""), began, took))


@asynccontextmanager
async def opened(tls: ssl.SSLContext, seconds: float) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls, limit=32),
        timeout=aiohttp.ClientTimeout(total=seconds),
        headers={"User-Agent": f"stowbay-doctor/{__version__}", "Accept-Encoding": "identity"},
        skip_auto_headers=("Content-Type",),
        auto_decompress=False,
    ) as session:
        yield Web(session)


def ahead_of(date: str, began: float, took: float) -> float | None:
    """Of a Date header, of an answer that took so many seconds from `began`, a Unix time."""
    if took >= _PROMPT:
        return None
    try:
        # Cut to whole seconds: half a second is what is lost on average.
        return parsedate_to_datetime(date).timestamp() + 0.5 - began - took / 2
    except ValueError:
        return None


def reason(error: BaseException) -> str:
    """A broken request in few words, without its URL, which may hold a signature."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text names addresses twice
    return type(error).__name__
