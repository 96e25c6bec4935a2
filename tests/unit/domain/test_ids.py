from __future__ import annotations

import hashlib
import random
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from appliance.domain import ids
from appliance.domain.errors import NotFound, Unauthorized

ENDS = [1, 2, 3, (1 << 47) - 1, 1 << 47, (1 << 62) - 1, ids.MAX_ID - 1, ids.MAX_ID]
any_id = st.one_of(st.sampled_from(ENDS), st.integers(1, ids.MAX_ID))
EPOCH_US = 1_735_689_600_000_000


@given(st.sampled_from("nvu"), any_id, any_id)
def test_a_pair_comes_back(kind: str, space_id: int, id: int) -> None:
    text = ids.encode(kind, space_id, id)
    assert len(text) == 23
    assert text[0] == kind
    assert ids.decode(kind, text) == (space_id, id)


@given(st.sampled_from("sp"), any_id)
def test_a_key_comes_back(kind: str, key: int) -> None:
    text = ids.encode_key(kind, key)
    assert len(text) == 12
    assert ids.decode_key(kind, text) == key


@given(st.text(max_size=30))
@example("")
@example("n")
@example("n" + "A" * 22)  # space 0, id 0
@example("n" + "_" * 22)  # over 63 bits, and bits beyond the bytes
@example("n" + "é" * 22)
@example("n" + "\ud800" * 22)
@example("nAAAAAAAAAAEAAAAAAAAAAQ==")
@example("nAAAAAAAAAAEAAAAAAAAAAQ\n")
def test_what_was_not_made_here_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.decode("n", text)
    with pytest.raises(NotFound):
        ids.decode_key("s", text)


@given(any_id, any_id, st.integers(0, 22), st.characters())
def test_only_one_text_stands_for_an_id(space_id: int, id: int, place: int, character: str) -> None:
    text = ids.encode("v", space_id, id)
    other = text[:place] + character + text[place + 1 :]
    assume(other != text)
    try:
        found = ids.decode("v", other)
    except NotFound:
        return
    assert found != (space_id, id)
    assert ids.encode("v", *found) == other


def test_a_kind_is_not_taken_for_another() -> None:
    with pytest.raises(NotFound):
        ids.decode("n", ids.encode("v", 5, 6))
    with pytest.raises(NotFound):
        ids.decode_key("p", ids.encode_key("s", 5))


def test_slots_span_their_range() -> None:
    assert ids.slot_of(1) == 0
    assert ids.slot_of(ids.MAX_ID) == 65535
    assert ids.slot_of(7 << 47) == 7
    assert ids.slot_of((8 << 47) - 1) == 7


def test_a_new_key_is_positive_whatever_the_dice_say() -> None:
    rolls = iter([0, 0, 9])
    assert ids.new_key(lambda bits: next(rolls)) == 9
    assert ids.new_key(lambda bits: (1 << bits) - 1) == ids.MAX_ID


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 20_000)), min_size=1, max_size=60),
    st.integers(),
)
def test_ids_only_grow_even_if_the_clock_steps_back(
    calls: list[tuple[int, int]], seed: int
) -> None:
    time = [EPOCH_US + 1000]
    maker = ids.IdMaker(lambda: time[0], random.Random(seed).getrandbits)
    last = ids.PURGING
    for step, count in calls:
        time[0] += step
        made = maker.batch(count)
        assert len(made) == count
        assert made[0] > last
        assert list(made[:3]) == sorted(set(made[:3]))
        last = made[-1]
        following = maker.next()
        assert following > last
        last = following


def test_ids_at_both_ends_of_their_time() -> None:
    low = ids.IdMaker(lambda: EPOCH_US, lambda bits: 0).next()
    assert low not in ids.SYSTEM_NODES
    assert low > 0
    end = EPOCH_US + (1 << 50) - 1
    last = ids.IdMaker(lambda: end, lambda bits: 0)
    made = last.next()
    assert 0 < made <= ids.MAX_ID
    assert ids.time_of(made).year == 2060
    with pytest.raises(OverflowError):
        last.next()


def test_a_clock_before_the_epoch_still_makes_valid_ids() -> None:
    maker = ids.IdMaker(lambda: 0, lambda bits: 0)
    assert ids.PURGING < maker.next() < maker.next()


def test_an_id_tells_when_it_was_made() -> None:
    at = datetime(2026, 11, 22, 15, 7, 39, 796918, tzinfo=UTC)
    maker = ids.IdMaker(lambda: int(at.timestamp()) * 1_000_000 + at.microsecond, lambda bits: 8191)
    assert ids.time_of(maker.next()) == at


def test_processes_that_start_a_microsecond_apart_rarely_meet() -> None:
    """A batch of 1,000 lies within one microsecond, so its neighbour's ids are elsewhere."""
    dice = random.Random(1)
    met = 0
    for now in range(EPOCH_US, EPOCH_US + 500):
        mine = ids.IdMaker(lambda now=now: now, dice.getrandbits).batch(1000)
        other = ids.IdMaker(lambda now=now: now + 2, dice.getrandbits).batch(1000)
        met += mine[-1] >= other[0]
    assert met == 0


@given(st.text(max_size=40))
def test_spellings_of_a_login_share_a_row(login: str) -> None:
    key = ids.email_key(login)
    assert 0 < key <= ids.MAX_ID
    assert ids.email_key(unicodedata.normalize("NFD", login)) == key
    assert ids.email_key(login.casefold()) == key


def test_the_login_key_is_pinned() -> None:
    """Rows are found by it: it may never change."""
    digest = hashlib.sha256(b"ann@example.com").digest()
    assert ids.email_key("Ann@Example.COM") == int.from_bytes(digest[:8], "big") >> 1
    assert ids.email_key("ann@example.com") != ids.email_key("anne@example.com")


@given(any_id, any_id, st.binary(min_size=24, max_size=24))
def test_a_token_comes_back(user_id: int, token_id: int, secret: bytes) -> None:
    token = ids.Token(user_id, token_id, secret)
    text = token.format()
    assert ids.Token.parse(text) == token
    assert token.hash() == hashlib.sha256(secret).digest()
    assert text[20:] not in repr(token)
    assert repr(secret)[2:-1] not in repr(token) or not secret.strip(b"\0")


@given(st.text(max_size=60))
@example("sbt_")
@example("sbt_" + "A" * 54)
@example("SBT_" + ids.Token(1, 1, bytes(24)).format()[4:])
@example(ids.Token(1, 1, bytes(24)).format() + "A")
@example(ids.Token(1, 1, bytes(24)).format()[:-1])
@example(ids.Token(1, 1, bytes(24)).format()[:-1] + "\n")
def test_a_malformed_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        ids.Token.parse(text)


def test_a_new_token_takes_all_its_bits_from_the_dice() -> None:
    dice = random.Random(3)
    one, two = (ids.Token.new(5, dice.getrandbits) for _ in range(2))
    assert one.user_id == two.user_id == 5
    assert one.token_id != two.token_id
    assert one.secret != two.secret
    assert len(one.secret) == 24
