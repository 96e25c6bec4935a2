"""An edge's options as JSON, and what those for hosts do to the text."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import msgspec
import pytest

from appliance.edge.capabilities import BOOKWORM, TRIXIE
from appliance.edge.config import render
from appliance.edge.options import EdgeOptions, InnerTls, read
from tests.unit.edge.test_render import OPTIONS

INNER = InnerTls(
    "/etc/stowbay/pki/ca.pem",
    "gateway.stowbay.internal",
    "/etc/stowbay/pki/edge-inner/cert.pem",
    "/etc/stowbay/pki/edge-inner/key.pem",
)
HOSTS = replace(
    OPTIONS,
    listen_hosts=("0.0.0.0", "::"),
    gateways=("10.77.0.11:7101", "10.77.0.12:7101", "[fd00::3]:7101", "c4:7101"),
    gateway_tls=INNER,
    store_tls=InnerTls("/etc/stowbay/pki/ca.pem", "localhost"),
    api_per_second=300,
    status_port=8113,
)


def servers(options: EdgeOptions) -> list[str]:
    return render(options, TRIXIE)["nginx.conf"].split("    server {")[1:]


def test_json_and_dataclass_are_the_same():
    assert read(json.dumps(asdict(HOSTS)).encode()) == HOSTS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": "red"}, "colour"),
        ({"api_port": "443"}, "api_port"),
        ({"gateways": []}, "at least one gateway"),
        ({"gateways": ["10.0.0.1:7101; }"]}, "host:port"),
        ({"gateways": ["10.0.0.1"]}, "host:port"),
        ({"store_address": "127.0.0.1"}, "host:port"),
        ({"listen_hosts": ["0.0.0.0; x"]}, "listen_hosts"),
        ({"gateway_tls": {"ca": "ca.pem", "name": "x"}}, "ca"),
        ({"gateway_tls": {"ca": "/ca.pem", "name": ""}}, "any part"),
        ({"store_tls": {"ca": "/ca.pem", "name": "x;"}}, "name"),
        ({"store_tls": {"ca": "/ca", "name": "x", "certificate": "/c"}}, "come together"),
    ],
)
def test_wrong_json_is_told_by_field_and_not_by_value(change, told):
    with pytest.raises(msgspec.ValidationError, match=told) as found:
        read(json.dumps(asdict(HOSTS) | change).encode())
    assert OPTIONS.edge_secret_key not in str(found.value)


@pytest.mark.parametrize("able", [BOOKWORM, TRIXIE], ids=["bookworm", "trixie"])
def test_every_way_inside_is_checked(able):
    text = render(HOSTS, able)["nginx.conf"]
    assert "http://gateways" not in text and "http://store" not in text
    for server in text.split("    server {")[1:4]:
        assert server.count("proxy_ssl_verify on;") == 1
        assert server.count('proxy_ssl_trusted_certificate "/etc/stowbay/pki/ca.pem";') == 1
    api, upload, download, status = servers(HOSTS)
    assert "proxy_ssl_name gateway.stowbay.internal;" in api
    assert 'proxy_ssl_certificate_key "/etc/stowbay/pki/edge-inner/key.pem";' in api
    for server in (upload, download):
        assert "proxy_ssl_name localhost;" in server
        assert "proxy_ssl_certificate " not in server
    assert "listen 127.0.0.1:8113;" in status


def test_without_hosts_nothing_of_it_is_there():
    text = render(OPTIONS, TRIXIE)["nginx.conf"]
    for word in ("proxy_ssl", "https://gateways", "stub_status", "zone=api"):
        assert word not in text
    assert "proxy_next_upstream_tries 2;" in text


def test_gateways_by_address_are_left_alone_for_the_time_given():
    text = render(replace(HOSTS, gateway_pause_seconds=5), TRIXIE)["nginx.conf"]
    for address in HOSTS.gateways:
        assert f"server {address} max_fails=1 fail_timeout=5s;" in text
    assert "proxy_next_upstream_tries 3;" in text


def test_all_addresses_and_http2_said_once():
    listens = {
        able: render(HOSTS, able)["nginx.conf"].split("    server {")[1]
        for able in (BOOKWORM, TRIXIE)
    }
    assert "listen 0.0.0.0:8443 ssl http2; listen [::]:8443 ssl http2;" in listens[BOOKWORM]
    assert "listen 0.0.0.0:8443 ssl; listen [::]:8443 ssl; http2 on;" in listens[TRIXIE]


def test_the_bound_of_all_calls_holds_for_sign_ins_too():
    """A location with a bound of its own inherits none."""
    api = servers(HOSTS)[0]
    assert "zone=api:8m rate=300r/s;" in render(HOSTS, TRIXIE)["nginx.conf"]
    signin = api.split("location ~ ^/api/v1/session")[1].split("}")[0]
    assert "limit_req zone=api burst=600 nodelay;" in signin
    assert "limit_req zone=signin" in signin


def test_the_headers_for_a_store_elsewhere_are_the_same():
    ours = servers(OPTIONS)[1], servers(HOSTS)[1]
    names = [
        {line.split()[1] for line in text.splitlines() if "proxy_set_header" in line}
        for text in ours
    ]
    assert names[0] == names[1] and len(names[0]) == 5
