"""One site and one gateway process for the folder; each test signs in as a user of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from .running import Gateway, Site, new_password, site

_numbers = itertools.count(1)


@dataclass
class User:
    http: ClientSession
    base: str
    login: str
    password: str
    token: str
    space: str
    root: str

    async def send(self, method: str, path: str, **more: Any) -> tuple[ClientResponse, Any]:
        """The response and its JSON (None without a body)."""
        told = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        async with self.http.request(
            method, f"{self.base}/api/v1{path}", headers=told, allow_redirects=False, **more
        ) as answer:
            raw = await answer.read()
            return answer, (await answer.json(content_type=None) if raw else None)

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self._of("GET", path, status, **more)

    async def post(self, path: str, body: Any, status: int = 200, **more: Any) -> Any:
        return await self._of("POST", path, status, json=body, **more)

    async def _of(self, method: str, path: str, status: int, **more: Any) -> Any:
        answer, body = await self.send(method, path, **more)
        assert answer.status == status, body
        return body

    async def folder(self, name: str, parent: str | None = None) -> str:
        target = {"kind": "folder", "parent": parent or self.root, "name": name, "mode": 0o755}
        done = await self.post(f"/spaces/{self.space}/commits", {"targets": [target]})
        node: str = done["items"][0]["node"]
        return node


NewUser = Callable[[], Awaitable[User]]


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(Path(tmp_path_factory.mktemp("site"))) as made:
        yield made


@pytest.fixture(scope="session")
def gateway(around: Site) -> Iterator[Gateway]:
    running = Gateway(around)
    yield running
    running.stop()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
def new_user(around: Site, gateway: Gateway, http: ClientSession) -> NewUser:
    async def make() -> User:
        login, password = f"user{next(_numbers)}", new_password()
        await asyncio.to_thread(around.add_user, login, password)
        return await sign_in(http, gateway, login, password)

    return make


async def sign_in(http: ClientSession, gateway: Gateway, login: str, password: str) -> User:
    body = {"login": login, "password": password, "device": "test"}
    async with http.post(f"{gateway.url}/api/v1/session", json=body) as answer:
        assert answer.status == 201, await answer.text()
        session = await answer.json()
    user = User(http, gateway.url, login, password, session["token"], "", "")
    user.space = session["account"]["space"]
    user.root = (await user.get(f"/spaces/{user.space}"))["root"]
    return user


@pytest.fixture
async def user(new_user: NewUser) -> User:
    return await new_user()
