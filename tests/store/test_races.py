"""Several processes at once, connections that are cut, replicas that are late.

A process is a Changer of its own: their turns aren't shared, so the row lock alone stands between.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import psycopg
import pytest

from appliance.domain import ids
from appliance.domain.errors import DatabaseUnavailable, NotFound
from appliance.services.changing import KEEP_ANSWERS, Changer
from appliance.services.commits import Commits
from appliance.services.files import Files
from appliance.settings import Database
from appliance.store.migrate import migrate
from appliance.store.pools import Stores
from appliance.wire.uploads import Commit, CommitTarget

from .homes import Home


@pytest.fixture
def processes(stores, ids_of_session, clock, limits) -> list[Commits]:
    return [
        Commits(
            changer=Changer(
                stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits
            ),
            limits=limits,
        )
        for _ in range(8)
    ]


def filing(home: Home, name: str, upload: str | None) -> Commit:
    target = CommitTarget(kind="file", parent=home.root, name=name, upload=upload)
    return Commit(targets=[target])


async def check_books(stores: Stores, home: Home) -> None:
    """What must hold of a space at any time."""
    async with stores.read(home.space_id) as conn:
        cursor = await conn.execute(
            """
            select s.seq, s.used_bytes,
              (select coalesce(sum(greatest(raw_size, stored_size)), 0) from blobs
               where space_id = s.space_id and charged) as charged,
              (select coalesce(sum(greatest(raw_size, stored_size)), 0) from blobs b
               where space_id = s.space_id and exists (
                 select from versions v
                 where v.space_id = s.space_id and v.blob_id = b.blob_id)) as referred,
              (select count(*) from journal where space_id = s.space_id) as rows,
              (select max(seq) from journal where space_id = s.space_id) as last,
              (select mark from journal where space_id = s.space_id and seq = s.seq) as mark,
              s.mark as own_mark,
              (select count(*) from nodes n where space_id = s.space_id and kind = 'file'
               and not exists (select from versions v where v.space_id = s.space_id
                               and v.version_id = n.version_id)) as broken,
              (select count(*) from versions v where space_id = s.space_id
               and not exists (select from nodes n where n.space_id = s.space_id
                               and n.node_id = v.node_id)) as lost
            from spaces s where s.space_id = %s
            """,
            (home.space_id,),
        )
        found = await cursor.fetchone()
    assert found.used_bytes == found.charged == found.referred
    assert found.seq == found.rows == found.last
    assert found.mark == found.own_mark
    assert (found.broken, found.lost) == (0, 0)


async def test_one_of_many_processes_wins_a_name(processes, draw, stores, home) -> None:
    uploads = [await draw.blob(home) for _ in range(24)]
    answers = await asyncio.gather(
        *(
            processes[n % 8].commit(home.caller, home.space, filing(home, "same", upload))
            for n, upload in enumerate(uploads)
        )
    )
    statuses = [written.answer.items[0].status for written in answers]
    assert sorted(statuses) == ["conflict"] * 23 + ["created"]
    await check_books(stores, home)


async def test_many_processes_never_pass_the_quota(processes, draw, stores, new_home) -> None:
    home = await new_home(quota=1000)
    uploads = [await draw.blob(home, 150) for _ in range(24)]
    answers = await asyncio.gather(
        *(
            processes[n % 8].commit(home.caller, home.space, filing(home, f"f{n}", upload))
            for n, upload in enumerate(uploads)
        )
    )
    statuses = [written.answer.items[0].status for written in answers]
    assert sorted(statuses) == ["created"] * 6 + ["error"] * 18
    await check_books(stores, home)


async def test_connections_cut_at_any_moment_leave_nothing_half_written(
    processes, draw, stores, cluster, home
) -> None:
    """Each commit that is answered was made exactly once; each that isn't, whole or not at all."""
    names = [f"f{n}" for n in range(120)]
    uploads = {name: await draw.blob(home, 10) for name in names}
    cuts = 0
    over = asyncio.Event()

    async def cut() -> None:
        nonlocal cuts
        async with await psycopg.AsyncConnection.connect(cluster.dsn(), autocommit=True) as conn:
            while not over.is_set():
                await asyncio.sleep(0.03)
                cursor = await conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname like any(array['one%', 'two%']) and state <> 'idle'"
                )
                cuts += len(await cursor.fetchall())

    async def commit(process: Commits, own: list[str]) -> dict[str, str]:
        done = {}
        for name in own:
            with contextlib.suppress(DatabaseUnavailable):
                written = await process.commit(
                    home.caller, home.space, filing(home, name, uploads[name])
                )
                done[name] = written.answer.items[0].status
        return done

    cutter = asyncio.create_task(cut())
    try:
        results = await asyncio.gather(
            *(commit(process, names[n::8]) for n, process in enumerate(processes))
        )
    finally:
        over.set()
        await cutter
    answered = {name: status for result in results for name, status in result.items()}
    assert cuts > 0
    assert set(answered.values()) == {"created"}
    async with stores.read(home.space_id) as conn:
        cursor = await conn.execute(
            "select name from nodes where space_id = %s and parent_id = 1", (home.space_id,)
        )
        there = {row.name for row in await cursor.fetchall()}
    assert set(answered) <= there
    await check_books(stores, home)


async def test_a_late_replica_is_passed_over(cluster, clock, limits, ids_of_session) -> None:
    """The replica is a real database that stopped following: a copy from before the write."""
    name = f"primary_{secrets.token_hex(4)}"
    primary = cluster.create(name)
    migrate(primary)
    database = Database("d", primary, primary)
    space_id, user_id = ids.new_key(secrets.randbits), ids.new_key(secrets.randbits)
    async with Stores.open([database]) as stores:
        home = await _home(stores, clock, space_id, user_id)
    with psycopg.connect(cluster.dsn(), autocommit=True) as conn:
        conn.execute(f"create database {name}_late template {name}")  # type: ignore[arg-type]
    late = Database("d", primary, cluster.dsn(f"{name}_late"))
    async with Stores.open([late]) as stores:
        changer = Changer(stores=stores, ids=ids_of_session, clock=clock, randbits=secrets.randbits)
        commits = Commits(changer=changer, limits=limits)
        files = Files(stores=stores, clock=clock)
        written = await commits.commit(home.caller, home.space, filing(home, "a", None))
        node = written.answer.items[0].node
        with pytest.raises(NotFound):
            await files.node(home.caller, node)
        assert (await files.node(home.caller, node, written.seq)).name == "a"
        assert (await files.children(home.caller, home.root)).items == []
        page = await files.children(home.caller, home.root, min_seq=written.seq)
        assert [item.name for item in page.items] == ["a"]


async def _home(stores, clock, space_id: int, user_id: int) -> Home:
    from appliance.domain.access import Caller
    from appliance.store import spaces

    async with stores.tx(space_id) as conn:
        await spaces.create(
            conn, space_id, user_id, quota_bytes=1000, versions_kept=10, now=clock.now()
        )
    return Home(Caller(user_id, 1, space_id, "user", "someone", "test"), space_id, 1000)


async def test_kept_answers_expire(commits, changer, clock, home) -> None:
    for number in range(3):
        await commits.commit(
            home.caller, home.space, filing(home, f"f{number}", None), f"k{number}"
        )
        clock.forward(hours=1)
    clock.time += KEEP_ANSWERS
    clock.forward(hours=-1.5)
    assert await changer.expire_idempotency(home.space_id) == 2
    again = await commits.commit(home.caller, home.space, filing(home, "f2", None), "k2")
    assert again.answer.items[0].status == "created"
    forgotten = await commits.commit(home.caller, home.space, filing(home, "f0", None), "k0")
    assert forgotten.answer.items[0].status == "conflict"


async def test_sixteen_senders_of_one_key_are_one(processes, draw, stores, home) -> None:
    request = filing(home, "a", await draw.blob(home))
    answers = await asyncio.gather(
        *(process.commit(home.caller, home.space, request, "k") for process in processes * 2)
    )
    assert len({written.answer.items[0].version for written in answers}) == 1
    assert {written.answer.items[0].status for written in answers} == {"created"}
    await check_books(stores, home)
