"""The templates for both distributions, as text; that nginx takes them is for tests/edge."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.domain.tickets import CLOCK_SKEW_SECONDS, LONGEST_TOKEN, Verdict
from appliance.edge import keyring
from appliance.edge.answers import ANSWERS, UPLOAD_ERRORS
from appliance.edge.capabilities import (
    BOOKWORM,
    TRIXIE,
    EdgeUnusable,
    capabilities,
    probe,
)
from appliance.edge.config import render
from appliance.edge.options import EdgeOptions

RING = keyring.create(1_800_000_000, kid="k1")
OPTIONS = EdgeOptions(
    listen_hosts=("127.0.0.1",),
    api_port=8443,
    upload_port=8444,
    download_port=8445,
    bench_port=None,
    certificate="/etc/stowbay/certificate.pem",
    certificate_key="/etc/stowbay/key.pem",
    gateways=("127.0.0.1:18501", "127.0.0.1:18502"),
    store_address="127.0.0.1:18333",
    bucket="stow.bay",
    edge_access_key="edge",
    edge_secret_key='Qu"1ck',
    region="us-east-1",
    public_keys=RING.public_keys(1_800_000_000),
    api_url="https://localhost:8443",
    config_dir="/etc/stowbay/edge",
    cache_dir="/dev/shm/stowbay",
    cache_megabytes=512,
    run_dir="/run/stowbay",
    log_dir="/var/log/stowbay",
    user="www-data",
    modules_dir="/usr/lib/nginx/modules",
    workers=2,
)


def settings_of(files: dict[str, str]) -> dict:
    text = files["njs/settings.js"]
    assert text.startswith("export default ")
    return json.loads(text.removeprefix("export default ").rstrip(";\n"))


def test_what_differs_between_the_distributions():
    old, new = render(OPTIONS, BOOKWORM), render(OPTIONS, TRIXIE)
    assert "listen 127.0.0.1:8443 ssl http2;" in old["nginx.conf"]
    assert "listen 127.0.0.1:8443 ssl; http2 on;" in new["nginx.conf"]
    assert "js_shared_dict_zone" not in old["nginx.conf"]
    assert "js_shared_dict_zone zone=tickets:8m" in new["nginx.conf"]
    assert "{ volatile; default" in old["nginx.conf"]
    assert "store.authorization nocache;" in new["nginx.conf"]
    assert (settings_of(old)["keyFormat"], settings_of(old)["dictionary"]) == ("spki", False)
    assert (settings_of(new)["keyFormat"], settings_of(new)["dictionary"]) == ("raw", True)
    differing = [name for name in old if old[name] != new[name]]
    assert differing == ["nginx.conf", "njs/settings.js"]


@pytest.mark.parametrize("able", [BOOKWORM, TRIXIE], ids=["bookworm", "trixie"])
def test_no_placeholder_is_left_and_every_answer_is_json(able):
    text = render(OPTIONS, able)["nginx.conf"]
    assert not re.search(r"@[a-z_]+@", text)
    bodies = re.findall(r"return (\d+) '(.*)'", text)
    assert len(bodies) >= len(UPLOAD_ERRORS) + len(ANSWERS)
    for status, body in bodies:
        assert json.loads(body)["status"] == int(status)


def test_secrets_are_only_in_the_settings_module():
    files = render(OPTIONS, BOOKWORM)
    assert settings_of(files)["store"]["secretKey"] == 'Qu"1ck'
    assert not any("1ck" in files[name] for name in files if name != "njs/settings.js")


def test_the_bench_server_exists_only_when_asked_for():
    with_bench = replace(OPTIONS, bench_port=8447)
    assert "8447" in render(with_bench, BOOKWORM)["nginx.conf"]
    assert render(OPTIONS, BOOKWORM)["nginx.conf"].count("    server {") == 3


def test_only_named_request_headers_go_to_the_store():
    upload = render(OPTIONS, BOOKWORM)["nginx.conf"].split("server {")[2]
    assert "proxy_pass_request_headers off;" in upload
    assert set(re.findall(r"proxy_set_header (\S+)", upload)) == {
        "Host",
        "Connection",
        "Content-Type",
        "X-Amz-Checksum-Sha256",
        "If-None-Match",
    }


def test_all_paths_are_the_given_ones():
    text = render(OPTIONS, TRIXIE)["nginx.conf"]
    given = ("/etc/stowbay/", "/dev/shm/stowbay", "/run/stowbay/", "/var/log/stowbay/")
    paths = re.findall(r'^ *(?:js_path|[a-z_]+_log|pid|[a-z_]+_path) "?(/[^" ;]+)', text, re.M)
    assert len(paths) >= 10
    assert [path for path in paths if not path.startswith(given)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "a;b"},
        {"api_url": "https://x/$host"},
        {"cache_dir": "relative"},
        {"run_dir": "/run/$host"},
        {"config_dir": "/etc/back\\slash"},
        {"log_dir": '/var/"'},
        {"region": "x\ny"},
        {"gateways": ()},
    ],
)
def test_values_that_nginx_would_interpret_are_refused(change):
    with pytest.raises(ValueError):
        replace(OPTIONS, **change)


def test_a_public_key_of_another_kind_is_refused():
    with pytest.raises(ValueError):
        render(replace(OPTIONS, public_keys={"k": "AAAA"}), BOOKWORM)


def test_ipv6_listens_in_brackets():
    text = render(replace(OPTIONS, listen_hosts=("::1",)), BOOKWORM)["nginx.conf"]
    assert "listen [::1]:8444 ssl;" in text


def test_what_this_machine_has():
    """The probe against the program's own words, and nginx's own check of the module."""
    modules = Path("/usr/lib/nginx/modules")
    found = probe("nginx", modules)
    told = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    assert ".".join(map(str, found.nginx)) in told
    assert found == capabilities(found.nginx, found.njs)
    assert found.njs >= (0, 7, 9)


def test_njs_is_told_apart_from_the_other_versions_in_its_module(tmp_path):
    """Debian 13's module also holds nginx's version, libxml2's and zlib's."""
    program = tmp_path / "nginx"
    program.write_text("#!/bin/sh\necho 'nginx version: nginx/1.26.3' >&2\n")
    program.chmod(0o755)
    strings = [b"LIBXML2_2.5.4", b"GLIBC_2.3.4", b"1.26.3", b"1.3.1", b"U0.8.9", b"10.0.0.1"]
    (tmp_path / "ngx_http_js_module.so").write_bytes(b"\x00".join(strings) + b"\x00")
    assert probe(str(program), tmp_path) == TRIXIE


@pytest.mark.parametrize(("nginx", "njs"), [((1, 18, 0), (0, 8, 9)), ((1, 26, 3), (0, 6, 1))])
def test_older_ones_are_refused(nginx, njs):
    with pytest.raises(EdgeUnusable):
        capabilities(nginx, njs)


def test_a_missing_nginx_is_told(tmp_path):
    with pytest.raises(EdgeUnusable, match="isn't installed"):
        probe(str(tmp_path / "nginx"), tmp_path)


def test_njs_and_the_twin_share_their_numbers_and_verdicts():
    script = render(OPTIONS, BOOKWORM)["njs/ticket.js"]
    assert f"LONGEST_TOKEN = {LONGEST_TOKEN};" in script
    assert f"CLOCK_SKEW_SECONDS = {CLOCK_SKEW_SECONDS};" in script
    missing = [verdict for verdict in Verdict if f"'{verdict}'" not in script]
    assert missing == []
