"""The secrets of a host are found in the files that hold them, as they must be looked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.support import known

PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgabcdefghijklmnop\n"
    "qrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/abcdefghijklmnop\n"
    "-----END PRIVATE KEY-----\n"
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"signer": {"access_key": "AKIDAKID", "secret_key": "sk/sk+sk=="}}', "sk/sk+sk=="),
        ('{"signer": {"access_key": "AKIDAKID", "secret_key": "x"}}', "AKIDAKID"),
        ('{"write_dsn": "host=h password=\'it\\\\\'s one\' port=1"}', "it's one"),
        ('{"redis_url": "redis://:ab%2Fcd%40ef@h:1/0"}', "ab/cd@ef"),
        ('{"keys": [{"pem": "' + PEM.replace("\n", "\\n") + '"}]}', PEM.splitlines()[1]),
        (PEM, PEM.splitlines()[2]),
        ("requirepass 73a2b75b4ccf", "73a2b75b4ccf"),
        ("masterauth half-a-word", "half-a-word"),
        ("MINIO_ROOT_PASSWORD=longer-word", "longer-word"),
        ("MINIO_KMS_SECRET_KEY=stowbay:QUJDREVGR0hJSktMTU5PUA==", "QUJDREVGR0hJSktMTU5PUA=="),
        ("    auth_pass eightltr", "eightltr"),
        ("tcp-check send 'AUTH quoted-word'\\r\\n", "quoted-word"),
        ('    password: "json \\" word"', 'json \\" word'),
        ("const secretKey = 'njs-word-njs'", "njs-word-njs"),
    ],
)
def test_secrets_of_a_text(text: str, secret: str) -> None:
    assert secret in known.secrets_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "ssl_certificate_key /etc/stowbay/pki/edge/key.pem",
        '{"token_seconds": 7776000}',
        "password_file: /etc/prometheus/password",
        "cookie: true",
    ],
)
def test_what_is_none_is_not_taken_for_one(text: str) -> None:
    assert known.secrets_in(text) == set()


def test_whole_files_and_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "admin-password").write_text("whole-word\n")
    (tmp_path / "store-signer").write_text("access-half:secret-half\n")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "tickets.json").write_text(json.dumps({"keys": [{"pem": PEM}]}))
    whole = [*tmp_path.iterdir(), tmp_path / "missing"]
    found = known.secrets_of_files([], whole)
    assert {"whole-word", "access-half", "secret-half", PEM.splitlines()[1]} <= found
    assert "abc" not in found


def test_addresses_of_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.77.0.11 c1\n10.77.0.12 c2\n# version 1.2.3.4.5\n")
    assert known.addresses_in([tmp_path / "hosts"]) == {"10.77.0.11", "10.77.0.12"}
