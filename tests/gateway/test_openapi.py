"""schemathesis drives the gateway by its own document: no 5xx, and nothing it doesn't declare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
from aiohttp import ClientSession

from appliance.gateway.openapi import document
from appliance.gateway.routes import ROUTES

from .conftest import User
from .running import Gateway, Site
from .test_every_route import _chunk_list, _file

# Left out are only the checks that take what a schema can't say (a name's forbidden characters,
# a cursor's origin) for a contradiction, and those that need links between operations.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method,allow_header_conformance,missing_required_header,ignored_auth"
)

SEED = "247910609108682803134165821934268895007"  # the same requests every time


async def test_the_document_is_served(around: Site, gateway: Gateway, http: ClientSession) -> None:
    answer = await http.get(gateway.url + "/api/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert await answer.read() == msgspec.json.encode(document(ROUTES, around.settings.api_url))


async def test_schemathesis_finds_nothing(gateway: Gateway, user: User, tmp_path: Path) -> None:
    made = await _file(user, "file.txt")
    begun = await user.post(
        f"/spaces/{user.space}/uploads", {"uploads": [_chunk_list(b"not yet sent")]}
    )
    ids = {
        "space": user.space,
        "node": made["node"],
        "version": made["version"],
        "upload": begun["items"][0]["upload"]["id"],
    }
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in ids.items())
    )
    done = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", "--config-file", config, "run",
            gateway.url + "/api/v1/openapi.json", "--url", gateway.url,
            "-H", f"Authorization: Bearer {user.token}",
            "--phases", "coverage,fuzzing", "--max-examples", "15", "--checks", CHECKS,
            "--exclude-operation-id", "accounts_sign_out", "--continue-on-failure",
            "--warnings", "off", "--seed", SEED, "--no-shrink", "--output-truncate", "true",
        ],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Selected: 34/35" in done.stdout, done.stdout[-2000:]
    served = {line.get("route") for line in gateway.lines() if line["event"] == "request"}
    assert len([route for route in served if str(route).startswith("/api/v1/")]) >= 25
