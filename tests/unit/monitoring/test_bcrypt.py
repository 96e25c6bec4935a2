"""The hash of Prometheus's password: right by libcrypt's own word, and the same in each run."""

from __future__ import annotations

import ctypes

import pytest

from tests.unit.ansible.plugins import filter_plugin

bcrypt = filter_plugin("stowbay_bcrypt").bcrypt


def test_it_is_the_password_s_hash_and_stays_the_same() -> None:
    found = bcrypt("a password", "trio", "stowbay")
    assert found == bcrypt("a password", "trio", "stowbay"), "a second run changes nothing"
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    assert library.crypt(b"a password", found.encode()).decode() == found
    assert library.crypt(b"another", found.encode()).decode() != found


def test_other_clusters_have_another_salt() -> None:
    assert bcrypt("a password", "trio", "stowbay") != bcrypt("a password", "duo", "stowbay")


@pytest.mark.parametrize("password", ["", "x" * 73])
def test_what_bcrypt_would_cut_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="72"):
        bcrypt(password, "trio")
