"""Postgres cuts its connections in the middle: 503 with Retry-After at worst, never a 500."""

from __future__ import annotations

import asyncio

import psycopg

from .conftest import User
from .running import Site


async def test_cut_connections_are_never_a_500(around: Site, user: User) -> None:
    statuses: list[int] = []
    places = [
        ("GET", f"/spaces/{user.space}", None),
        ("GET", f"/nodes/{user.root}/children", None),
        ("GET", f"/spaces/{user.space}/changes", None),
        ("GET", "/account", None),
    ]

    async def ask(worker: int) -> None:
        for number in range(25):
            method, path, body = places[number % len(places)]
            answer, problem = await user.send(method, path, json=body)
            statuses.append(answer.status)
            if answer.status != 200:
                assert answer.status == 503, problem
                assert int(answer.headers["Retry-After"]) >= 1
            name = f"{worker}-{number}"
            target = {"kind": "folder", "parent": user.root, "name": name, "mode": 493}
            answer, problem = await user.send(
                "POST", f"/spaces/{user.space}/commits", json={"targets": [target]}
            )
            statuses.append(answer.status)
            assert answer.status in (200, 503), problem

    async def cut() -> None:
        async with await psycopg.AsyncConnection.connect(
            around.settings.databases[0].write_dsn, autocommit=True
        ) as conn:
            while True:
                await conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
                await asyncio.sleep(1)

    cutting = asyncio.create_task(cut())
    await asyncio.gather(*(ask(worker) for worker in range(8)))
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    assert 200 in statuses
    async with asyncio.timeout(20):  # and it is over soon after
        while [(await user.send("GET", "/account"))[0].status for _ in range(20)] != [200] * 20:
            pass
