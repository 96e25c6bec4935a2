"""A bundle of a whole instance in which secrets lie everywhere: none is inside, and what support
needs is."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import stat
import subprocess
import tarfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.support.looking import readings

from . import protocol as p
from .instance import BIN, ROOT, Instance, User

FILE_NAME = "Budget of the board.pdf"
_PREFIX = "xyzzy"


def every_secret(instance: Instance, user: User) -> dict[str, str]:
    """Name -> value: of the settings, of the secrets' folder, of keys, of somebody's session."""
    found = {"token": user.token, "password": user.password}
    store = instance.settings["store"]
    for role in ("signer", "control", "scrub"):
        found |= {f"{role} {key}": value for key, value in store[role].items()}
    for database in instance.settings["databases"]:
        for kind in ("write_dsn", "read_dsn"):
            password = urllib.parse.urlsplit(database[kind]).password
            assert password, "the DSN has no password to look for"
            found[f"{database['name']} {kind}"] = password
    redis = urllib.parse.urlsplit(instance.settings["redis_url"]).password
    assert redis
    found["redis"] = redis
    for path in sorted((instance.var / "secrets").iterdir()):
        text = path.read_text().strip()
        if path.name == "tickets.json":
            pems = [key["pem"] for key in json.loads(text)["keys"]]
            found |= {f"ring {n}": line for n, pem in enumerate(pems) for line in _key_lines(pem)}
        else:
            found |= {f"{path.name} {n}": half for n, half in enumerate(text.split(":"))}
    for path in sorted((instance.var / "pki").glob("*.key")):
        for n, line in enumerate(_key_lines(path.read_text())):
            found[f"{path.name} {n}"] = line
    assert len(found) >= 20 and all(len(value) >= 8 for value in found.values())
    return found


def _key_lines(pem: str) -> list[str]:
    assert "PRIVATE KEY" in pem
    return [line for line in pem.splitlines()[1:-1] if len(line) >= 32]


def disguises(secret: str) -> Iterator[str]:
    yield secret
    yield urllib.parse.quote(f"p={secret}&", safe="")
    yield "".join(f"%{byte:02x}" for byte in secret.encode())
    yield base64.b64encode(f"admin:{secret}".encode()).decode()
    yield base64.urlsafe_b64encode(f"x{secret}".encode()).decode()
    yield json.dumps(f'said "{secret}"')
    yield "".join(f"\\u{ord(char):04x}" for char in secret)
    yield secret.encode().hex()
    yield base64.b64encode("".join(f"%{b:02X}" for b in secret.encode()).encode()).decode()


def seed(instance: Instance, known: dict[str, str], unknown: dict[str, str]) -> None:
    """Into the logs of every kind: our JSON lines, Postgres's, nginx's, the store's."""
    for name in ("gateway-0", "worker", "postgres", "redis", "store", "nginx-error", "supervisor"):
        with (instance.var / "log" / f"{name}.log").open("a") as log:
            for secret in known.values():
                for number, text in enumerate(disguises(secret)):
                    log.write(f"seeded {number} {text} end\n")
                    event = {"timestamp": "2099-01-01T00:00:00Z", "event": f"seeded {text}"}
                    log.write(json.dumps(event) + "\n")
            for text in unknown.values():
                log.write(f"seeded {text}\n")
                log.write(json.dumps({"event": f"seeded {text}", "body": text}) + "\n")


@pytest.fixture
def unknown(user: User) -> dict[str, str]:
    """What nobody listed anywhere, each with its needle: a word that must not come through."""
    word = _PREFIX + secrets.token_hex(12)
    node = p.stored(user, FILE_NAME, b"content")["node"]
    ticket = user.call("GET", f"/api/v1/nodes/{node}/content", Accept="application/json")
    upload = p.begin(user, p.content(900))[0]
    url = str(ticket.headers.get("Location") or ticket.json["url"])
    alone = re.search(r"eyJ[\w.-]+", url)
    assert alone, "the URL has no ticket"
    return {
        "a real ticket": url,
        "a ticket alone": f"refused {alone[0]}, expired",
        "a real presigned URL": json.dumps(upload),
        "another session": f"token=sbt_{word}",
        "a header": f"Authorization: Bearer {word}",
        "a cookie": f"Cookie: session={word}",
        "a URL": f"postgresql://app:{word}@db/x",
        "a DSN": f"host=db password='{word} {word}' user=x",
        "a key": f"-----BEGIN EC PRIVATE KEY-----\n{word}{word}\n-----END EC PRIVATE KEY-----",
        "a statement": f"STATEMENT:  insert into nodes values ('{word}')",
        "a request": f'request: "PUT /b/k?X-Amz-Signature={word} HTTP/1.1", referrer: "x"',
    }


def needles(unknown: dict[str, str]) -> Iterator[str]:
    """The signatures of the real ones, and the word that stands for a secret in the others."""
    for text in unknown.values():
        yield from re.findall(r"X-Amz-Signature=([0-9a-f]{20,})", text)
        yield from re.findall(r"eyJ[\w-]{20,}\.[\w-]{20,}", text)
        yield from re.findall(rf"{_PREFIX}[0-9a-f]+", text)


def test_no_secret_is_inside_and_what_support_needs_is(
    instance: Instance, user: User, unknown: dict[str, str], tmp_path: Path
) -> None:
    known = every_secret(instance, user)
    words = set(needles(unknown))
    assert len(words) >= 3
    of_the_host = {n: v for n, v in known.items() if n not in {"token", "password"}}
    # The tokens of people are known by their looks, their passwords by nobody: they are never
    # written. In seeded lines they stand where they could be: in a header, in a body.
    seed(instance, of_the_host, unknown | {
        "the token": f"got {user.token}", "the password": f"password={user.password}",
    })  # fmt: skip
    asked = user.call("GET", f"/api/v1/spaces/{user.space}?password={user.password}")
    assert asked.status == 200
    output = tmp_path / "bundle.tar.gz"
    said = instance.admin_command("support-bundle", "--output", str(output))
    assert str(output) in said
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    files = _unpacked(output)

    _nothing_secret(files, {**known, **{word: word for word in words}, "name": FILE_NAME})
    _manifest_is_true(files)
    _has_what_is_needed(files, instance, asked.headers["X-Request-Id"])

    refused = subprocess.run(
        [BIN / "stowbay-admin", "support-bundle", "--no-doctor", "--output", output],
        cwd=ROOT, env=instance.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert refused.returncode == 1 and "not overwritten" in refused.stderr
    assert _unpacked(output) == files


def _unpacked(path: Path) -> dict[str, str]:
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None and member.mode == 0o600
            found[member.name.partition("/")[2]] = content.read().decode()
    return found


def _nothing_secret(files: dict[str, str], known: dict[str, str]) -> None:
    for name, text in files.items():
        for how, seen in readings(text, steps=1):
            leaked = [which for which, value in known.items() if value in seen]
            assert not leaked, f"{name}, {how}: {leaked}"


def _manifest_is_true(files: dict[str, str]) -> None:
    manifest = json.loads(files["manifest.json"])
    assert {each["name"] for each in manifest["entries"]} == set(files) - {"manifest.json"}
    for each in manifest["entries"]:
        content = files[each["name"]].encode()
        assert each["sha256"] == hashlib.sha256(content).hexdigest(), each["name"]
        assert each["bytes"] == len(content)
    kinds = {kind for each in manifest["entries"] for kind in each.get("redacted", {})}
    assert {"known-secret", "session-token", "ticket", "private-key", "header"} <= kinds
    seeded = next(e for e in manifest["entries"] if e["name"] == "logs/log_gateway-0.log")
    assert seeded["left_out"]["body"] >= 1
    assert all(each["why"] for each in manifest["left_out"])


def _has_what_is_needed(files: dict[str, str], instance: Instance, request_id: str) -> None:
    settings = json.loads(files["config/config_stowbay.json"])
    assert settings["api_url"] == instance.url
    assert settings["store"]["kind"] == instance.store
    assert re.search(r"@127\.0\.0\.1:\d+/", settings["databases"][0]["write_dsn"])
    report = json.loads(files["doctor.json"])
    assert {line["level"] for line in report["lines"]} >= {"OK"}
    assert any(line["code"].startswith("database.") for line in report["lines"])
    assert "stowbay_http_requests_total" in files["metrics/gateway-0.txt"]
    assert "stowbay_job_runs_total" in files["metrics/worker.txt"]
    gateways = "".join(t for n, t in files.items() if n.startswith("logs/log_gateway-"))
    (line,) = [text for text in gateways.splitlines() if request_id in text]
    assert json.loads(line)["route"] == "/api/v1/spaces/{space}"
    assert "database system is ready" in files["logs/log_postgres.log"]
    assert "maxmemory" in files["config/redis_redis.conf"]
    assert "aiohttp==" in files["system/python.txt"]
    assert "Filesystem" in files["system/disks.txt"]
    for name in ("supervisor", "worker", "store", "nginx-api", "nginx-upload", "redis"):
        assert files[f"logs/log_{name}.log"], name
