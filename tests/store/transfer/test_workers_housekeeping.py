"""Kept answers, outbox rows, ended sessions: what is over is forgotten, what was left is done."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache
from appliance.domain import ids
from appliance.services.passwords import Passwords
from appliance.services.users import Users
from appliance.store import accounts, spaces
from appliance.workers.housekeeping import AnswersJob, OutboxJob, SessionsJob

from .labour import Labour
from .world import File, World


@pytest.fixture
def users(world: World) -> Iterator[Users]:
    passwords = Passwords()
    yield Users(
        stores=world.stores,
        cache=MetadataCache(Link("", monotonic=time.monotonic)),
        clock=world.clock,
        ids=world.ids,
        randbits=secrets.randbits,
        passwords=passwords,
        limits=world.limits,
    )
    passwords.close()


async def test_kept_answers_are_forgotten(world: World, labour: Labour) -> None:
    await world.begin(File.small(), key="k")
    job = AnswersJob(stores=world.stores, clock=world.clock)
    assert await labour.run(job) == {}
    world.clock.forward(hours=49)
    assert await labour.run(job) == {"forgotten": 1}


async def test_an_outbox_row_that_a_crash_left_is_applied(
    world: World, labour: Labour, users: Users
) -> None:
    owner, space_id = (ids.new_key(secrets.randbits) for _ in range(2))
    async with world.stores.tx(owner) as conn:
        await accounts.add_outbox(
            conn,
            owner,
            world.ids.next(),
            "make-space",
            space_id,
            {"owner": owner, "quota": 77},
            world.clock.now(),
        )
    runner = labour.runner()
    done = await runner.run(OutboxJob(stores=world.stores, users=users))
    assert (done["applied"], runner.failures) == (1, 0)
    async with world.stores.tx(space_id) as conn:
        made = await (await spaces.space(conn, space_id)).fetchone()
    assert (made.owner_user_id, made.quota_bytes) == (owner, 77)
    assert await runner.run(OutboxJob(stores=world.stores, users=users)) == {}


async def test_tokens_and_failed_sign_ins_go_when_they_are_long_over(
    world: World, labour: Labour
) -> None:
    user, day = ids.new_key(secrets.randbits), timedelta(days=1)
    now = world.clock.now()
    async with world.stores.tx(user) as conn:
        for token_id, ends in ((1, 5 * day), (2, 400 * day), (3, 400 * day)):
            await conn.execute(
                "insert into tokens values (%s, %s, '', 'd', %s, %s, %s)",
                (user, token_id, now, now, now + ends),
            )
        await accounts.revoke_token(conn, user, 2, now + 2 * day)
        await accounts.count_attempt(conn, user, "someone", now, now - day)

    async def left() -> tuple[list[int], int]:
        async with world.stores.tx(user) as conn:
            tokens = await (
                await conn.execute(
                    "select token_id from tokens where user_id = %s order by token_id", (user,)
                )
            ).fetchall()
            counts = await conn.execute("select from signin_failures where login_key = %s", (user,))
            return [row.token_id for row in tokens], counts.rowcount

    job = SessionsJob(stores=world.stores, clock=world.clock, limits=world.limits)
    runner = labour.runner()
    await runner.run(job)
    assert await left() == ([1, 2, 3], 1)
    world.clock.forward(days=2)
    await runner.run(job)
    assert await left() == ([1, 2, 3], 0)
    world.clock.forward(days=30, seconds=1)
    await runner.run(job)
    assert await left() == ([1, 3], 0)
    world.clock.forward(days=3)
    await runner.run(job)
    assert await left() == ([3], 0)
    assert await runner.run(job) == {}
    assert runner.failures == 0
