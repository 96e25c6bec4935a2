"""schemathesis drives the API from its own OpenAPI document: answers fit it, and none is a 5xx."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .instance import BIN, Instance, User

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
MINE = r"^/api/v1/(session|account/password)$"  # would sign the run itself out


@pytest.mark.parametrize("instance", ["seaweedfs"], indirect=True)
def test_the_openapi_document_tells_the_truth(
    instance: Instance, user: User, tmp_path: Path
) -> None:
    """Long polls are cut short by the bound of `wait`, sign-in has a limit of its own."""
    done = subprocess.run(
        [
            str(BIN / "schemathesis"),
            "run",
            f"{instance.url}/api/v1/openapi.json",
            f"--header=Authorization: Bearer {user.token}",
            f"--tls-verify={instance.ca}",
            f"--checks={','.join(CHECKS)}",
            f"--exclude-path-regex={MINE}",
            "--phases=coverage,fuzzing",
            "--max-examples=8",
            "--request-timeout=70",
            "--generation-deterministic",
            "--warnings=off",
            "--no-color",
            "--max-time=60",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_bodies_that_are_no_requests(user: User, tmp_path: Path) -> None:
    path = f"/api/v1/spaces/{user.space}/commits"
    json = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
    deep = b'{"targets":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for raw, headers, status, code in (
        (b"not json", json, 400, "invalid-body"),
        (b"", json, 400, "invalid-body"),
        (b"\xff\xfe", json, 400, "invalid-body"),
        (b"[]", json, 400, "invalid-body"),
        (b'{"targets": 7}', json, 400, "invalid-body"),
        (b'{"targets": [], "more": 1}', json, 400, "invalid-body"),
        (deep, json, 400, "invalid-body"),
        (b"{}", json | {"Content-Type": "text/plain"}, 400, "invalid-body"),
        (b" " * (9 << 20), json, 413, "body-too-large"),
    ):
        reply = user.instance.call("POST", path, raw=raw, headers=headers)
        assert reply.status == status, (raw[:20], reply.status, reply.body[:200])
        assert reply.headers["Content-Type"].startswith("application/problem+json")
        assert reply.json["code"] == code
        assert reply.headers["X-Request-Id"]


def test_metrics_are_on_a_port_of_their_own(instance: Instance) -> None:
    import urllib.request

    port = instance.settings["metrics_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    assert "stowbay_" in text
