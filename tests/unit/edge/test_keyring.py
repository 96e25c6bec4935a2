"""Signing and the life of a key, without any server."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.tickets import Ticket, UnsignableTicket, Verdict
from appliance.edge import keyring
from appliance.edge.twin import verify

NOW = 1_800_000_000
TICKET = Ticket(
    obj="/stowbay/blobs/00000000000000aa/00112233445566778899aabbccddeeff",
    exp=NOW + 300,
    iat=NOW,
    ep=3,
    fn="näme.txt",
    ct="text/plain",
    dp="attachment",
    back="/api/v1/files/n1/content",
)


def check(token, ring, now=NOW):
    keys = ring.public_keys(now)
    return verify(token, keys, bucket="stowbay", now=now, address="127.0.0.1")


def test_what_is_signed_is_verified_and_comes_back():
    ring = keyring.create(NOW, kid="k1")
    assert check(ring.sign(TICKET, NOW), ring) == (Verdict.OK, TICKET)
    assert check(ring.sign(TICKET, NOW), keyring.create(NOW, kid="k1"))[0] == Verdict.BAD_SIGNATURE


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "ring.json"
    ring = keyring.create(NOW, kid="k1")
    ring.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keyring.load(path) == ring
    rotated = ring.rotate(NOW, kid="k2", publish_seconds=60, longest_ticket_seconds=300)
    rotated.save(path)
    assert keyring.load(path) == rotated
    assert [entry.name for entry in tmp_path.iterdir()] == ["ring.json"]


def test_who_could_read_the_ring_can_after_a_rotation(tmp_path):
    """On hosts root rotates and the gateways' group reads."""
    path = tmp_path / "tickets.json"
    keyring.create(NOW, kid="k1").save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    keyring.create(NOW, kid="k2").save(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_ring_with_another_kind_of_key_isnt_loaded(tmp_path):
    path = tmp_path / "ring.json"
    keyring.create(NOW, kid="k1").save(path)
    content = json.loads(path.read_text())
    content["keys"][0]["pem"] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError):
        keyring.load(path)


def test_a_successor_is_published_before_it_signs_and_the_old_key_outlives_its_tickets():
    ring = keyring.create(NOW, kid="k1")
    ring = ring.rotate(NOW, kid="k2", publish_seconds=60, longest_ticket_seconds=300)
    assert ring.public_keys(NOW).keys() == {"k1", "k2"}
    assert ring.signing_key(NOW).kid == "k1"
    assert ring.signing_key(NOW + 59).kid == "k1"
    assert ring.signing_key(NOW + 60).kid == "k2"
    assert ring.public_keys(NOW + 359).keys() == {"k1", "k2"}
    assert ring.public_keys(NOW + 360).keys() == {"k2"}


def test_a_second_call_during_a_rotation_changes_nothing():
    ring = keyring.create(NOW, kid="k1")
    once = ring.rotate(NOW, kid="k2", publish_seconds=60, longest_ticket_seconds=300)
    twice = once.rotate(NOW + 1, kid="k3", publish_seconds=60, longest_ticket_seconds=300)
    assert twice == once
    later = once.rotate(NOW + 400, kid="k3", publish_seconds=60, longest_ticket_seconds=300)
    assert [key.kid for key in later.keys] == ["k2", "k3"]


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.integers(1, 500), min_size=1, max_size=6), age=st.integers(0, 299))
def test_every_valid_tickets_key_is_published_whatever_the_times_of_rotation(steps, age):
    ring, now, issued = keyring.create(NOW, kid="k0"), NOW, []
    for number, step in enumerate(steps, 1):
        now += step
        issued.append((now, ring.signing_key(now).kid))
        ring = ring.rotate(now, kid=f"k{number}", publish_seconds=60, longest_ticket_seconds=300)
        issued.append((now, ring.signing_key(now).kid))
        known = ring.public_keys(now + age).keys()
        for at, kid in issued:
            if now + age < at + 300:
                assert kid in known


def test_an_empty_ring_signs_nothing():
    with pytest.raises(keyring.NoSigningKey):
        keyring.KeyRing(()).sign(TICKET, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"fn": "a\r\nb"},
        {"fn": ""},
        {"fn": "\ud800"},
        {"ct": "text/plain\r\nX: 1"},
        {"back": "/api/v1/x\ny"},
        {"back": "https://elsewhere/"},
        {"obj": "/stowbay/other/x"},
        {"obj": "/stowbay/blobs/../x"},
        {"dp": "other"},
        {"exp": -1},
        {"ip": "x y"},
        {"ck": "short"},
    ],
)
def test_what_no_edge_would_take_isnt_signed(change):
    with pytest.raises(UnsignableTicket):
        keyring.create(NOW, kid="k1").sign(replace(TICKET, **change), NOW)


@settings(max_examples=200, deadline=None)
@given(name=st.text(min_size=1, max_size=80))
def test_any_name_is_either_refused_by_the_signer_or_passed_by_the_edge(name):
    ring = keyring.create(NOW, kid="k1")
    ticket = replace(TICKET, fn=name)
    try:
        token = ring.sign(ticket, NOW)
    except UnsignableTicket:
        return
    assert check(token, ring) == (Verdict.OK, ticket)
