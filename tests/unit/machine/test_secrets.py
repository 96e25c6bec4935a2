"""Secrets are made once, are private, and differ."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from appliance.machine.secrets import keep_secrets


def test_every_secret_is_a_private_file_with_a_value_of_its_own(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path / "secrets", os.urandom)
    files = list((tmp_path / "secrets").iterdir())
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in files)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    values = [each.read_text() for each in files]
    assert len(set(values)) == len(values) >= 12
    assert secrets.admin_password_file in files


def test_a_second_start_finds_the_same_secrets(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path / "secrets", os.urandom)
    assert keep_secrets(tmp_path / "secrets", os.urandom) == first


def test_two_instances_share_no_secret(tmp_path: Path) -> None:
    keep_secrets(tmp_path / "one", os.urandom)
    keep_secrets(tmp_path / "two", os.urandom)
    one = {each.read_text() for each in (tmp_path / "one").iterdir()}
    two = {each.read_text() for each in (tmp_path / "two").iterdir()}
    assert not one & two


def test_encryption_keys_have_the_length_and_form_that_the_stores_ask_for(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path / "secrets", os.urandom)
    assert len(bytes.fromhex(secrets.seaweed_encryption_key)) == 32
    assert len(base64.b64decode(secrets.minio_encryption_key, validate=True)) == 32


def test_store_credentials_fit_the_stores_bounds(tmp_path: Path) -> None:
    secrets = keep_secrets(tmp_path / "secrets", os.urandom)
    assert set(secrets.store) == {"signer", "control", "edge", "scrub", "backup"}
    for credential in (secrets.store_root, *secrets.store.values()):
        assert 3 <= len(credential.access_key) <= 20
        assert 8 <= len(credential.secret_key) <= 40
