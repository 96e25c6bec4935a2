from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.objects import keys

ids = st.integers(1, (1 << 63) - 1)
randoms = st.binary(min_size=16, max_size=16)


@given(ids, randoms, st.none() | ids)
def test_a_key_says_what_it_was_made_of(space_id, random, upload_id):
    made = keys.ObjectKey(space_id, random, upload_id)
    assert keys.parse(str(made)) == made
    assert str(made).startswith(keys.space_prefix(space_id))


def test_layout_is_what_rows_and_stores_already_hold():
    random = bytes(range(16))
    assert keys.single_key(1, random) == "blobs/0000000000000001/" + random.hex()
    prefix = keys.batch_prefix((1 << 63) - 1, random)
    assert keys.batch_key(prefix, 255) == f"blobs/7fffffffffffffff/{random.hex()}/{255:016x}"


@given(st.text(max_size=80))
def test_only_our_own_spelling_is_ours(text):
    found = keys.parse(text)
    assert found is None or str(found) == text


@pytest.mark.parametrize(
    "key",
    [
        "",
        "blobs/",
        "blobs/0000000000000000/" + "0" * 32,  # ids are positive
        "blobs/8000000000000000/" + "0" * 32,  # and 63 bits
        "blobs/0000000000000001/" + "A" * 32,
        "blobs/0000000000000001/" + "0" * 31,
        "blobs/0000000000000001/" + "0" * 32 + "/",
        "blobs/0000000000000001/" + "0" * 32 + "\n",
        "blobs/0000000000000001/" + "0" * 32 + "/0000000000000000",
        "blobs/0000000000000001/" + "0" * 32 + "/0000000000000001/x",
        "blobs/" + "\u0660" * 15 + "1/" + "0" * 32,
    ],
)
def test_foreign_keys_are_not_ours(key):
    assert keys.parse(key) is None


@pytest.mark.parametrize("space_id", [0, -1, 1 << 63])
def test_no_key_for_what_is_no_id(space_id):
    with pytest.raises(ValueError, match="63-bit"):
        keys.single_key(space_id, bytes(16))


def test_no_key_without_its_128_random_bits():
    with pytest.raises(ValueError, match="128"):
        keys.single_key(1, bytes(15))
    with pytest.raises(ValueError, match="slash"):
        keys.batch_key("blobs/0000000000000001/" + "0" * 32, 1)
