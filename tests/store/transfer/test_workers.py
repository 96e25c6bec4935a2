"""Workers on real rows and objects: what they finish, forget, delete, find; and what they spare."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache
from appliance.domain import ids
from appliance.objects.keys import single_key
from appliance.objects.reader import ObjectReader
from appliance.services.changing import Changer
from appliance.services.commits import Commits
from appliance.services.passwords import Passwords
from appliance.services.trash import Trash
from appliance.services.users import Users
from appliance.store import accounts, spaces
from appliance.wire import uploads as wire
from appliance.workers.figures import unexplained
from appliance.workers.housekeeping import AnswersJob, OutboxJob, SessionsJob
from tests.objects.store_processes import RunningStore

from .labour import Labour
from .world import CrashError, File, World, crash_at


@pytest.fixture
def trash(changer: Changer, world: World) -> Trash:
    return Trash(changer=changer, limits=world.limits)


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


@pytest.fixture
def labour(world: World, trash: Trash) -> Labour:
    return Labour(world, trash)


async def committed(world: World, commits: Commits, file: File, name: str = "a") -> str:
    """Its node."""
    done = await world.put(file)
    target = wire.CommitTarget(kind="file", parent=world.home.root, name=name, upload=done.id)
    written = await commits.commit(
        world.home.caller, world.home.space, wire.Commit(targets=[target])
    )
    (outcome,) = written.answer.items
    assert outcome.status == "created", outcome
    return outcome.node


async def put_object(world: World, key: str, body: bytes) -> None:
    """As a client with a URL could, straight to the store."""
    put = world.presigner.put_url(
        key,
        hashlib.sha256(body).digest(),
        len(body),
        now=datetime.now(UTC),
        expires=timedelta(seconds=60),
    )
    headers = {"x-amz-checksum-sha256": put.headers["x-amz-checksum-sha256"]}
    async with world.http.put(put.url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def found(world: World) -> dict[str, int]:
    row = await world.one(
        "select found from audits where space_id = %(space_id)s and job = 'reconcile'"
    )
    return row.found


async def blob_state(world: World) -> str:
    return (await world.one("select state from blobs where space_id = %(space_id)s")).state


@pytest.mark.parametrize("step", ["completing", "completed-in-store", "seen-in-store"])
async def test_a_half_finished_complete_is_finished(world: World, labour: Labour, step) -> None:
    file = File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    with pytest.raises(CrashError):
        await world.watched(crash_at(step)).completion.complete(
            world.home.caller, outcome.upload.id
        )
    assert await labour.run(labour.uploads) == {}, "a request may still be at work on it"
    world.clock.forward(seconds=61)
    assert len(await labour.plan(labour.uploads)) == 1
    assert await world.state(outcome.upload.id) == "completing", "a plan changes nothing"
    assert await labour.run(labour.uploads) == {"driven": 1}
    assert await world.state(outcome.upload.id) == "uploaded"
    assert await labour.run(labour.uploads) == {}


async def test_a_complete_that_may_be_under_way_is_left_for_minutes(
    world: World, labour: Labour
) -> None:
    file, other = File.large(), File.large()
    (outcome,) = await world.begin(file)
    await world.fill(outcome, file)
    with pytest.raises(CrashError):
        await world.watched(crash_at("completing")).completion.complete(
            world.home.caller, outcome.upload.id
        )
    row = await world.one(
        "select object_key, s3_upload_id from uploads where space_id = %(space_id)s"
    )
    await world.control.abort(row.object_key, row.s3_upload_id)
    (idle,) = await world.begin(other)
    with pytest.raises(CrashError):
        await world.watched(crash_at("aborting")).completion.abort(
            world.home.caller, idle.upload.id
        )
    world.clock.forward(minutes=2)
    assert await labour.run(labour.uploads) == {"driven": 1}, "the other one goes its way"
    assert await world.state(outcome.upload.id) == "completing"
    world.clock.forward(minutes=4)
    assert await labour.run(labour.uploads) == {"driven": 1}
    assert await world.state(outcome.upload.id) == "purged"


async def test_a_half_finished_abort_is_finished_and_then_forgotten(
    world: World, labour: Labour
) -> None:
    single, multi = File.small(), File.large()
    outcomes = await world.begin(single, multi)
    for outcome, file in zip(outcomes, (single, multi), strict=True):
        await world.fill(outcome, file)
        with pytest.raises(CrashError):
            await world.watched(crash_at("aborting")).completion.abort(
                world.home.caller, outcome.upload.id
            )
    world.clock.forward(seconds=61)
    assert await labour.run(labour.uploads) == {"driven": 2}
    assert await world.objects() == {}
    assert (await world.send(outcomes[0].urls[0], single.body))[0] == 200
    assert await labour.run(labour.uploads) == {}
    world.clock.forward(hours=2)
    assert await labour.run(labour.uploads) == {"purged": 2}
    assert await world.objects() == {}
    left = await world.one(
        "select (select count(*) from uploads where space_id = %(space_id)s) as uploads,"
        " (select count(*) from parts where space_id = %(space_id)s) as parts"
    )
    assert (left.uploads, left.parts) == (0, 0)


async def test_idle_uploads_expire_and_finished_rows_go(world: World, labour: Labour) -> None:
    kept = File.large()
    done = await world.put(kept)
    idle = await world.begin(File.large(), File.small(), File.small())
    assert await labour.run(labour.uploads) == {}
    world.clock.forward(days=7, seconds=1)
    assert await labour.run(labour.uploads) == {"driven": 3, "forgotten": 1}
    assert list((await world.objects()).values()) == [len(kept.body)]
    assert [await world.state(o.upload.id) for o in idle] == [None] * 3
    again = await world.uploads.get(world.home.caller, done.id)
    assert (again.state, again.method, again.parts) == ("uploaded", "multipart", 2)


async def test_an_unused_blob_dies_and_then_its_object_goes(world: World, labour: Labour) -> None:
    await world.put(File.small())
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    (line,) = await labour.plan(labour.blobs)
    assert line.startswith("let-die")
    assert await blob_state(world) == "live"
    assert await labour.run(labour.blobs) == {"dying": 1}
    assert len(await world.objects()) == 1
    world.clock.forward(days=6)
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert await world.objects() == {}
    assert await world.live_blobs() == 0


@pytest.mark.parametrize("step", ["dying", "object-deleted"])
async def test_a_death_cut_off_ends_the_same(world: World, trash: Trash, step: str) -> None:
    await world.put(File.small())
    world.clock.forward(days=2)
    crashing = Labour(world.watched(crash_at(step)), trash)
    whole = Labour(world, trash)
    if step == "object-deleted":
        await whole.run(whole.blobs)
        world.clock.forward(days=8)
    with pytest.raises(CrashError):
        await crashing.run(crashing.blobs)
    world.clock.forward(days=8)
    await whole.run(whole.blobs)
    row = await world.one("select count(*) as n from blobs where space_id = %(space_id)s")
    assert row.n == 0
    assert await world.objects() == {}


async def test_a_quarantined_blob_that_nothing_uses_goes_too(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small(), "used")
    (used,) = await world.objects()
    await world.put(File.small())
    await world.run("update blobs set state = 'quarantined' where space_id = %(space_id)s")
    assert await labour.run(labour.blobs) == {}
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"dying": 1}
    world.clock.forward(days=8)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert list(await world.objects()) == [used]


async def test_what_a_version_uses_does_not_die(
    world: World, labour: Labour, commits: Commits
) -> None:
    file = File.small()
    await committed(world, commits, file)
    world.clock.forward(days=400)
    assert await labour.run(labour.blobs) == {}
    await world.run("update blobs set charged = false where space_id = %(space_id)s")
    assert await labour.run(labour.blobs) == {}, "the version counts, whatever the flag says"
    (key,) = await world.objects()
    assert await world.bytes_of(key) == file.body


async def test_a_commit_moves_what_was_reserved_and_adds_nothing(
    world: World, commits: Commits, new_home
) -> None:
    tight = world.at(await new_home(quota=2500))
    first = File.small(1000)
    await committed(tight, commits, first)
    assert (await tight.begin(File.small(1000)))[0].status == "new"
    assert (await tight.begin(File.small(1000)))[0].code == "quota-exceeded"
    used = await tight.one("select used_bytes from spaces where space_id = %(space_id)s")
    assert used.used_bytes == 1000


async def test_from_the_trash_to_the_last_byte(
    world: World, labour: Labour, commits: Commits, trash: Trash
) -> None:
    node = await committed(world, commits, File.small())
    await trash.trash(world.home.caller, node)
    assert await labour.run(labour.trash) == {}
    world.clock.forward(days=30, seconds=1)
    assert len(await labour.plan(labour.trash)) == 1
    assert await labour.run(labour.trash) == {"deleted": 1}
    assert (await labour.run(labour.purging))["cleared"] >= 1
    used = await world.one(
        "select used_bytes, (select count(*) from nodes where space_id = %(space_id)s) as nodes"
        " from spaces where space_id = %(space_id)s"
    )
    assert (used.used_bytes, used.nodes) == (0, 1)
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.blobs) == {"dying": 1}
    world.clock.forward(days=7, seconds=1)
    assert await labour.run(labour.blobs) == {"deleted": 1}
    assert await world.objects() == {}


async def test_everything_that_is_under_way_is_explained(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small())
    await world.put(File.large())
    arrived, aborted = File.small(), File.small()
    first, second = await world.begin(arrived, aborted)
    await world.fill(first, arrived)
    await world.completion.abort(world.home.caller, second.upload.id)
    await world.send(second.urls[0], aborted.body)
    world.clock.forward(days=2)
    await labour.run(labour.blobs)
    assert len(await world.objects()) == 4
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 0, "lost": 0, "size": 0, "upload": 0}
    assert await labour.run(labour.reconcile) == {}, "once a day"


async def test_an_orphan_is_found_at_once_and_deleted_after_the_grace(
    world: World, labour: Labour
) -> None:
    key = single_key(world.home.space_id, secrets.token_bytes(16))
    await put_object(world, key, b"nobody knows me")
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 1, "lost": 0, "size": 0, "upload": 0}
    assert (await unexplained(world.stores))["orphan"] >= 1
    assert list(await world.objects()) == [key]
    world.clock.forward(days=7, seconds=60)
    assert await labour.run(labour.reconcile) == {"compared": 1, "orphans_deleted": 1}
    assert await world.objects() == {}
    world.clock.forward(days=1, seconds=1)
    await labour.run(labour.reconcile)
    assert await found(world) == {"orphan": 0, "lost": 0, "size": 0, "upload": 0}


async def test_an_upload_that_no_row_knows_is_aborted_after_the_grace(
    world: World, labour: Labour
) -> None:
    """MinIO shows it to nobody who doesn't know its key; there it expires by itself."""
    shown = int(world.settings.kind == "seaweedfs")
    key = single_key(world.home.space_id, secrets.token_bytes(16))
    await world.control.create_multipart(key)
    (ours,) = await world.begin(File.large())
    assert ours.upload is not None
    own_key = await world.key(ours.upload.id)
    await world.control.create_multipart(own_key)  # by one that died before it dropped it
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert (await found(world))["upload"] == 2 * shown
    assert (await world.unfinished(key), await world.unfinished(own_key)) == (1, 2)
    world.clock.forward(days=7, seconds=60)
    done = await labour.run(labour.reconcile)
    assert done == {"compared": 1} | ({"uploads_aborted": 2} if shown else {})
    assert (await world.unfinished(key), await world.unfinished(own_key)) == (1 - shown, 2 - shown)
    (again,) = (await world.uploads.list(world.home.caller, world.home.space, None, 10)).items
    assert again.state == "uploading"


async def test_lost_and_cut_objects_are_quarantined_and_stay_counted(
    world: World, labour: Labour, commits: Commits
) -> None:
    await committed(world, commits, File.small(), "lost")
    (lost,) = await world.objects()
    await committed(world, commits, File.small(), "cut")
    (cut,) = (await world.objects()).keys() - {lost}
    await world.control.delete(lost)
    await put_object(world, cut, b"short")
    assert sorted(await labour.plan(labour.reconcile))[0].startswith("note")
    assert await world.live_blobs() == 2
    assert await labour.run(labour.reconcile) == {"compared": 1, "quarantined": 2}
    assert await world.live_blobs() == 0
    world.clock.forward(days=1, seconds=1)
    assert await labour.run(labour.reconcile) == {"compared": 1}
    assert await found(world) == {"orphan": 0, "lost": 1, "size": 1, "upload": 0}


async def test_scrub_confirms_what_is_right(world: World, labour: Labour, commits: Commits) -> None:
    small, big = File.small(), File.large(3)
    await committed(world, commits, small, "s")
    await committed(world, commits, big, "b")
    await world.run(
        "update blobs set proven = false, sha256 = %(lie)s where space_id = %(space_id)s"
        " and raw_size > 5000",
        lie=bytes(32),
    )
    await world.run("update versions set sha256 = %(lie)s where space_id = %(space_id)s"
                    " and size > 5000", lie=bytes(32))  # fmt: skip
    assert await labour.run(labour.scrub) == {"passed": 2}
    rows = await world.one(
        "select bool_and(b.proven and b.sha256_confirmed) as sure,"
        " bool_and(v.sha256 = b.sha256) as same, count(*) as n"
        " from blobs b join versions v on v.space_id = %(space_id)s and v.blob_id = b.blob_id"
        " where b.space_id = %(space_id)s"
    )
    assert (rows.sure, rows.same, rows.n) == (True, True, 2)
    assert await labour.run(labour.scrub) == {}
    world.clock.forward(days=31)
    assert await labour.run(labour.scrub) == {"passed": 2}


@pytest.mark.parametrize("harm", ["other bytes", "too short", "too long", "gone"])
async def test_scrub_finds_what_is_wrong(world: World, labour: Labour, harm: str) -> None:
    file = File.small()
    await world.put(file)
    (key,) = await world.objects()
    if harm == "gone":
        await world.control.delete(key)
    else:
        body = {
            "other bytes": bytes([file.body[0] ^ 1]) + file.body[1:],
            "too short": file.body[:-1],
            "too long": file.body + b"!",
        }[harm]
        await put_object(world, key, body)
    assert await labour.run(labour.scrub) == {"failed": 1}
    assert await blob_state(world) == "quarantined"
    assert await labour.run(labour.scrub) == {}, "it isn't read again before someone acts"
    assert (await world.begin(file))[0].status == "new"


async def test_a_false_report_ends_with_the_next_scrub(world: World, labour: Labour) -> None:
    await world.put(File.large())
    await labour.run(labour.scrub)
    await world.run("update blobs set state = 'quarantined' where space_id = %(space_id)s")
    assert await labour.run(labour.scrub) == {}, "read a moment ago: reports can't make it busy"
    world.clock.forward(hours=1, seconds=1)
    assert await labour.run(labour.scrub) == {"passed": 1}
    assert await blob_state(world) == "live"


def sizes(place: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in place.rglob("*") if path.is_file()}


def rot(place: Path, before: dict[Path, int], size: int) -> None:
    """Turns one byte in the middle of what the store has written since."""
    (path,) = [p for p, now in sizes(place).items() if now - before.get(p, 0) >= size]
    with path.open("r+b") as file:
        file.seek((before.get(path, 0) + path.stat().st_size) // 2)
        old = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([old[0] ^ 1]))


async def test_an_object_that_cannot_be_read_stops_no_other(
    world: World, labour: Labour, object_store: RunningStore
) -> None:
    before = sizes(object_store.directory)
    await world.put(File.small(3 << 20))
    rot(object_store.directory, before, 3 << 20)
    for _ in range(2):
        await world.put(File.small())
    assert await labour.run(labour.scrub) == {"unreadable": 1, "passed": 2}
    assert await labour.run(labour.scrub) == {}, "its turn comes again with the others'"
    await world.run(
        "update blobs set state = 'quarantined' where space_id = %(space_id)s and raw_size > 5000"
    )
    world.clock.forward(hours=1, seconds=1)
    assert await labour.run(labour.scrub) == {"unreadable": 1}
    assert await labour.run(labour.scrub) == {}


async def test_a_scrub_of_a_store_that_is_gone_says_nothing_of_its_objects(
    world: World, labour: Labour, trash: Trash
) -> None:
    await world.put(File.small())
    settings = msgspec.structs.replace(world.settings, endpoint="http://127.0.0.1:9")
    async with ObjectReader(settings) as blind, world.unreachable() as gone:
        broken = Labour(replace(world, control=gone, reader=blind), trash)
        with pytest.raises(AssertionError, match="see the log"):
            await broken.run(broken.scrub)
    assert await labour.run(labour.scrub) == {"passed": 1}


async def test_the_store_gone_fails_the_run_and_nothing_else(world: World, trash: Trash) -> None:
    await world.put(File.small())
    world.clock.forward(days=2)
    whole = Labour(world, trash)
    await whole.run(whole.blobs)
    world.clock.forward(days=8)
    async with world.unreachable() as gone:
        broken = Labour(replace(world, control=gone), trash)
        with pytest.raises(AssertionError, match="see the log"):
            await broken.run(broken.blobs)
    assert await blob_state(world) == "dying"
    assert await whole.run(whole.blobs) == {"deleted": 1}


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
