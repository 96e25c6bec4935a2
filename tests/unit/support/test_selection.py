"""What is kept is what is on a list; the rest is told by name alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from appliance.settings import Credential, Database, ObjectStore, Settings
from appliance.support import selection

SECRET_FIELDS = {"store.signer", "store.control", "store.scrub"}
SETTINGS = Settings(
    api_url="https://localhost:8443",
    upload_url="https://localhost:8444",
    download_url="https://localhost:8445",
    gateway_ports=(1, 2),
    metrics_port=3,
    databases=(
        Database(
            "main",
            "host=h user=u password='a \\'b' sslmode=verify-full",
            "host=h password=plainword port=5432",
        ),
    ),
    redis_url="redis://:half%2Fway@127.0.0.1:6479/0",
    store=ObjectStore(
        "minio", "http://s:9000", "r", "b",
        Credential("ak1", "sk1-sk1"), Credential("ak2", "sk2-sk2"), Credential("ak3", "sk3-sk3"),
    ),
    ticket_keyring="/etc/stowbay/tickets.json",
)  # fmt: skip


def test_settings_by_their_keys() -> None:
    found = selection.settings_document(msgspec.json.encode(SETTINGS).decode())
    kept = json.loads(found.text)
    assert set(found.left_out) == SECRET_FIELDS
    assert kept["databases"][0]["write_dsn"] == (
        "host=h user=u password=[redacted:password] sslmode=verify-full"
    )
    assert kept["databases"][0]["read_dsn"] == "host=h password=[redacted:password] port=5432"
    assert kept["redis_url"] == "redis://127.0.0.1:6479/0"
    assert kept["limits"]["ticket_seconds"] == 300
    assert kept["store"]["endpoint"] == "http://s:9000"
    for secret in ("b'", "plainword", "half", "sk1", "ak1"):
        assert secret not in found.text


def test_every_setting_is_kept_or_known_to_be_secret() -> None:
    """A new setting fails here until it is on the list, or among the secret ones."""
    found = selection.settings_document(msgspec.json.encode(SETTINGS).decode())
    kept = json.loads(found.text)
    for field in msgspec.structs.fields(Settings):
        assert field.name in kept, field.name
    for name, struct in (("store", ObjectStore), ("databases", Database)):
        inner = kept[name][0] if name == "databases" else kept[name]
        for field in msgspec.structs.fields(struct):
            assert field.name in inner or f"{name}.{field.name}" in SECRET_FIELDS, field.name


def test_a_setting_that_nobody_listed_is_left_out_by_name() -> None:
    found = selection.settings_document('{"api_url": "https://x", "new_secret": "hush"}')
    assert json.loads(found.text) == {"api_url": "https://x"}
    assert found.left_out == {"new_secret": 1}


@pytest.mark.parametrize("text", ["", "[1]", "{", '"x"'])
def test_settings_that_are_none_say_so(text: str) -> None:
    with pytest.raises(ValueError):
        selection.settings_document(text)


def test_log_lines_by_their_fields() -> None:
    line = {
        "timestamp": "2026-11-22T18:00:00Z", "event": "request", "status": 200, "ms": 1.5,
        "tls": True, "body": "what somebody wrote", "path": "/api/v1/nodes/nAAAA/My%20File.pdf?x=1",
        "made up": "x",
    }  # fmt: skip
    found = selection.log_lines(json.dumps(line) + "\n")
    assert json.loads(found.text) == {
        "timestamp": "2026-11-22T18:00:00Z", "event": "request", "status": 200, "ms": 1.5,
        "tls": True, "path": "/api/v1/nodes/nAAAA/[?]",
    }  # fmt: skip
    assert found.left_out == {"body": 1, "?": 1}


def test_the_rest_of_a_statement_goes_with_it() -> None:
    text = "ERROR:  x\nSTATEMENT:  select 1\n\tfrom nodes where name = 'Budget'\nLOG:  y\n"
    found = selection.log_lines(text)
    assert "Budget" not in found.text
    assert found.text.endswith("LOG:  y\n")
    assert found.left_out == {"further lines of statements": 1}


def test_directives_by_their_first_word() -> None:
    text = (
        "# a comment with a word\nserver {\n    listen 8443;\n    secret_thing x;\n"
        "  - encoding: UTF8\n}\nENV_A=1\nENV_B=2\n"
    )
    found = selection.directives(text, {"server", "listen", "encoding", "ENV_A"})
    assert found.text == "server {\n    listen 8443;\n  - encoding: UTF8\n}\nENV_A=1\n"
    assert found.left_out == {"secret_thing": 1, "ENV_B": 1}


def test_older_lines_go_with_what_belongs_to_them() -> None:
    lines = [
        '{"timestamp":"2026-11-22T17:59:59Z","event":"old"}',
        "Traceback of the old one",
        '{"time":"2026-11-22T19:00:01+01:00","event":"new, in another zone"}',
        "2026-11-22 17:00:00.000 UTC [1] LOG:  old",
        "2026/11/22 18:00:01 [error] new",
        "no time: with the one before",
    ]
    since = datetime(2026, 11, 22, 18, tzinfo=UTC)
    kept = selection.lines_since("\n".join(lines), since).splitlines()
    assert kept == [lines[2], lines[4], lines[5]]
