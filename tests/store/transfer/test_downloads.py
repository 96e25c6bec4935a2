"""Tickets: for whom, over what, and when not."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache
from appliance.domain import ids
from appliance.domain.errors import BadRequest, BlobQuarantined, InvalidBody, NotFound
from appliance.edge import keyring
from appliance.services.downloads import Downloads
from appliance.services.files import Files
from appliance.wire.nodes import Mismatch, TicketRequest, TicketTarget
from appliance.wire.uploads import CommitTarget
from tests.cache.conftest import RedisServer

from .world import File, World

BUCKET = "stowbay"


def made(world: World, cache: MetadataCache | None = None) -> Downloads:
    return Downloads(
        cache=cache,
        stores=world.stores,
        clock=world.clock,
        limits=world.limits,
        signer=keyring.create(int(world.clock.now().timestamp()), kid="k1"),
        download_url="https://localhost:8445",
        bucket=BUCKET,
    )


@pytest.fixture
def downloads(world: World) -> Downloads:
    return made(world)


async def placed(world: World, file: File | None, name: str = "a.txt", parent: int = 1) -> str:
    """A file's node with one version, written as a commit writes it."""
    blob_id = None
    if file is not None:
        blob_id = ids.decode("u", (await world.put(file)).id)[1]
    node_id, version_id = world.ids.batch(2)
    await world.run(
        "insert into nodes (space_id, node_id, parent_id, name, folded, kind, flags, version_id,"
        " size, mtime_ns, mode, rev, created_at) values (%(space_id)s, %(node)s, %(parent)s,"
        " %(name)s, %(name)s, 'file', 0, %(version)s, %(size)s, 0, 420, 1, now())",
        node=node_id,
        parent=parent,
        name=name,
        version=version_id,
        size=len(file.body) if file else 0,
    )
    await world.run(
        "insert into versions (space_id, version_id, node_id, blob_id, size, mtime_ns, mode,"
        " author_user_id, device, created_at) values (%(space_id)s, %(version)s, %(node)s,"
        " %(blob)s, %(size)s, 0, 420, 1, 'test', now())",
        node=node_id,
        version=version_id,
        blob=blob_id,
        size=len(file.body) if file else 0,
    )
    await world.run(
        "update blobs set charged = true where space_id = %(space_id)s and blob_id = %(blob)s",
        blob=blob_id or 0,
    )
    return world.home.node(node_id)


def claims(url: str) -> dict:
    token = parse_qs(urlsplit(url).query)["t"][0]
    payload = token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_a_ticket_is_over_the_object_and_its_conditions(world: World, downloads) -> None:
    file = File.small()
    node = await placed(world, file, "räport.txt")
    ticket = await downloads.ticket(
        world.home.caller, node, None, "inline", "/api/v1/back", "127.0.0.1", "a" * 64
    )
    assert ticket.url.startswith("https://localhost:8445/o?t=")
    (key,) = await world.objects()
    found = claims(ticket.url)
    assert found["obj"] == f"/{BUCKET}/{key}"
    assert (found["fn"], found["ct"], found["dp"]) == ("räport.txt", "text/plain", "inline")
    assert (found["ip"], found["ck"], found["back"]) == ("127.0.0.1", "a" * 64, "/api/v1/back")
    assert found["exp"] - found["iat"] == 300
    assert ticket.expires_at - world.clock.now() <= timedelta(seconds=300)
    assert ticket.size == len(file.body)
    assert ticket.etag == ticket.sha256 is not None


async def test_the_empty_file_needs_no_url(world: World, downloads) -> None:
    node = await placed(world, None)
    ticket = await downloads.ticket(world.home.caller, node, None, "inline", "/api/v1/x")
    assert (ticket.url, ticket.size) == (None, 0)


async def test_the_empty_file_of_a_commit_has_its_sum(world: World, downloads, draw) -> None:
    target = CommitTarget(kind="file", parent=world.home.root, name="empty")
    (outcome,) = await draw.commit(world.home, target)
    ticket = await downloads.ticket(world.home.caller, outcome.node, None, "inline", "/api/v1/x")
    assert ticket.sha256 == ticket.etag == hashlib.sha256(b"").hexdigest()


async def test_what_has_no_ticket(world: World, downloads) -> None:
    node = await placed(world, File.small())
    going = await placed(world, File.small(), "b", parent=ids.PURGING)
    other_version = ids.encode("v", world.home.space_id, 12345)

    async def ask(caller, of: str, version: str | None = None) -> None:
        await downloads.ticket(caller, of, version, "inline", "/api/v1/x")

    for caller, of, version in [
        (world.home.stranger(), node, None),
        (world.home.caller, going, None),
        (world.home.caller, node, other_version),
        (world.home.caller, world.home.node(77), None),
        (world.home.caller, "nonsense", None),
    ]:
        with pytest.raises(NotFound):
            await ask(caller, of, version)
    with pytest.raises(BadRequest):
        await ask(world.home.caller, world.home.root)


async def test_a_trashed_file_can_still_be_fetched(world: World, downloads) -> None:
    node_id = ids.decode("n", await placed(world, File.small(), "c.txt", parent=ids.TRASH))[1]
    await world.run(
        "update nodes set name = name || '/' || node_id where space_id = %(space_id)s"
        " and node_id = %(node)s",
        node=node_id,
    )
    ticket = await downloads.ticket(
        world.home.caller, world.home.node(node_id), None, "attachment", "/api/v1/x"
    )
    assert claims(ticket.url)["fn"] == "c.txt"


async def test_a_thousand_tickets_come_in_their_order(world: World, downloads) -> None:
    small, big = File.small(), File.large(3)
    nodes = [await placed(world, small, "s"), await placed(world, big, "b.pdf")]
    wanted = [TicketTarget(node=nodes[i % 2]) for i in range(998)]
    wanted += [TicketTarget(node="nonsense"), TicketTarget(node=world.home.node(9))]
    found = await downloads.tickets(world.home.caller, TicketRequest(targets=wanted, chunks=True))
    assert [item.code for item in found.items] == [None] * 998 + ["not-found"] * 2
    assert [len(item.chunks or ()) for item in found.items[:2]] == [1, 3]
    assert [chunk.offset for chunk in found.items[1].chunks] == [
        0,
        len(big.pieces[0]),
        len(big.pieces[0]) + len(big.pieces[1]),
    ]
    stranger = await downloads.tickets(world.home.stranger(), TicketRequest(targets=wanted[:2]))
    assert [item.code for item in stranger.items] == ["not-found"] * 2


async def test_a_mismatch_stops_handing_it_out(world: World, downloads) -> None:
    node = await placed(world, File.large())
    ticket = await downloads.ticket(world.home.caller, node, None, "inline", "/api/v1/x")
    with pytest.raises(InvalidBody):
        await downloads.mismatch(world.home.caller, node, Mismatch(version=ticket.version, index=2))
    with pytest.raises(NotFound):
        await downloads.mismatch(
            world.home.stranger(), node, Mismatch(version=ticket.version, index=0)
        )
    await downloads.mismatch(world.home.caller, node, Mismatch(version=ticket.version, index=1))
    with pytest.raises(BlobQuarantined):
        await downloads.ticket(world.home.caller, node, None, "inline", "/api/v1/x")


async def test_a_mismatch_is_seen_at_once(world: World, tmp_path: Path) -> None:
    """By its status, though the node had just been cached; and what came before can't return."""
    server = RedisServer(tmp_path)
    server.start()
    link = Link(server.url, monotonic=time.monotonic)
    cache = MetadataCache(link)
    files = Files(stores=world.stores, clock=world.clock, cache=cache)
    try:
        file = File.small()
        node, other = await placed(world, file, "a"), await placed(world, File.small(), "b")
        node_id = ids.decode("n", node)[1]
        for one in (node, other):
            assert (await files.node(world.home.caller, one)).status == "uploaded"
        before = await cache.get_node(world.home.space_id, node_id)
        assert before is not None
        version = (await files.versions(world.home.caller, node)).items[0].id
        await made(world, cache).mismatch(
            world.home.caller, node, Mismatch(version=version, index=0)
        )
        assert (await files.node(world.home.caller, node)).status == "quarantined"
        assert await cache.get_node(world.home.space_id, ids.decode("n", other)[1]) is not None
        await cache.put_node(world.home.space_id, node_id, 0, before)
        assert (await files.node(world.home.caller, node)).status == "quarantined"
    finally:
        await link.close()
        server.stop()
