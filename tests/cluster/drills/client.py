"""One account's calls during a drill: every write repeated under one Idempotency-Key until its
outcome is known or patience ends."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

__all__ = ["Client", "Refused", "Unsettled"]

_TRY_SECONDS = 20.0  # of one attempt; the client of a dead host hangs up and asks again
_PAUSE = 0.25


class Refused(Exception):
    """A definite no: the operation didn't happen."""


class Unsettled(Exception):
    """Nobody knows whether it happened."""


@dataclass
class Client:
    url: str
    tls: ssl.SSLContext
    login: str
    password: str
    token: str = ""
    space: str = ""
    root: str = ""
    seq: int = 0
    """The highest that an answer carried: what is read afterwards is no older, whoever answers."""
    codes: dict[str, int] = field(default_factory=dict)
    """How often each error code was answered."""

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=16),
            timeout=aiohttp.ClientTimeout(total=_TRY_SECONDS, sock_connect=3),
        )
        body = {"login": self.login, "password": self.password, "device": "drill"}
        session = await self.write("POST", "session", body, patience=60)
        self.token, self.space = session["token"], session["account"]["space"]
        self.root = (await self.read(f"spaces/{self.space}"))["root"]
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._session.close()

    async def write(
        self, method: str, path: str, body: Any = None, *, patience: float = 180
    ) -> Any:
        """The answer's document; Refused, Unsettled."""
        key = secrets.token_hex(16)
        deadline = time.monotonic() + patience
        while True:
            status, document = await self._try(method, path, body, key)
            if status is not None and 200 <= status < 300:
                return document
            if status is not None and status < 500 and status != 429:
                raise Refused(f"{method} {path}: {status} {document}")
            if time.monotonic() > deadline:
                raise Unsettled(f"{method} {path}: {status} {document}")
            await asyncio.sleep(_PAUSE)

    async def read(self, path: str, *, patience: float = 180) -> Any:
        return await self.write("GET", path, patience=patience)

    async def catch_up(self) -> None:
        """A write of its own, so that reads see all that anybody wrote to this space before."""
        target = {"kind": "file", "parent": self.root, "name": f"mark-{secrets.token_hex(6)}"}
        await self.write("POST", f"spaces/{self.space}/commits", {"targets": [target]})

    async def content(self, node: str) -> str | None:
        """The sha256 of what is served for it; None where the edge or the store fails."""
        ticket = await self.read(f"nodes/{node}/content", patience=30)
        found = hashlib.sha256()
        if ticket["url"] is None:
            return found.hexdigest()
        try:
            async with self._session.get(ticket["url"]) as reply:
                if reply.status != 200:
                    return None
                async for piece in reply.content.iter_any():
                    found.update(piece)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        return found.hexdigest()

    async def listing(self, folder: str) -> dict[str, dict[str, Any]]:
        """Nodes by name, all pages."""
        found: dict[str, dict[str, Any]] = {}
        after = ""
        while True:
            page = await self.read(f"nodes/{folder}/children?limit=500{after}")
            found |= {item["name"]: item for item in page["items"]}
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def _try(self, method: str, path: str, body: Any, key: str) -> tuple[int | None, Any]:
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if method == "POST" and path != "session":
            headers["Idempotency-Key"] = key
        if self.seq:
            headers["Stowbay-Seq"] = str(self.seq)
        try:
            async with self._session.request(
                method, f"{self.url}/api/v1/{path}", json=body, headers=headers,
                allow_redirects=False,
            ) as reply:  # fmt: skip
                document = await reply.json(content_type=None) if reply.status != 204 else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            name = type(error).__name__
            self.codes[name] = self.codes.get(name, 0) + 1
            return None, repr(error)
        self.seq = max(self.seq, int(reply.headers.get("Stowbay-Seq", 0)))
        if reply.status >= 400 and isinstance(document, dict):
            code = str(document.get("code", reply.status))
            self.codes[code] = self.codes.get(code, 0) + 1
        return reply.status, document
