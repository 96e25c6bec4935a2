"""Edges: the floating address, what passes, what doesn't, and what isn't on the host at all."""

import http.client
import json
import os
import socket
import ssl
from pathlib import Path

import pytest

testinfra_hosts = ["ansible://edge"]

INVENTORY = Path(os.environ["ANSIBLE_INVENTORY"])
AUTHORITY = INVENTORY / "state" / "pki" / "ca.pem"
PKI = "/etc/stowbay/pki"


@pytest.fixture
def variables(host):
    return host.ansible.get_variables()


@pytest.fixture
def address(variables):
    return variables.get("stowbay_address", variables["ansible_host"])


@pytest.fixture
def brought(variables):
    """The certificate that the operator brought along, "" for the cluster's own."""
    return variables.get("pki_edge_certificate", "")


@pytest.fixture
def trust(brought):
    authority = Path(brought).with_name("public.pem") if brought else AUTHORITY
    return ssl.create_default_context(cafile=str(authority))


@pytest.fixture
def call(variables, trust):
    """From the controller, as a client; the certificate must be of the name."""

    def answered(where, port, method, target, headers=None, body=None, name=None):
        shown = name or variables["stowbay_public_name"]
        connection = http.client.HTTPSConnection(where, port)
        connection.sock = trust.wrap_socket(
            socket.create_connection((where, port), timeout=20), server_hostname=shown
        )
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        told = answer.status, answer.read(), answer.headers
        connection.close()
        return told

    return answered


def test_health_by_the_public_name_and_by_the_host(call, brought, variables, address):
    public, port = variables["stowbay_public_name"], variables["stowbay_api_port"]
    for where in (public, address):
        name = public if brought else where
        status, body, _ = call(where, port, "GET", "/health/ready", name=name)
        assert (status, json.loads(body)["status"]) == (200, "ready"), where


def test_one_edge_holds_the_floating_address(call, host, variables):
    floating = variables["stowbay_floating_address"].partition("/")[0]
    held = floating and f" {floating}/" in host.check_output("ip -4 -o addr show")
    if not floating:
        assert not host.service("keepalived").is_running
        return
    assert host.service("keepalived").is_running and host.service("keepalived").is_enabled
    status, _, _ = call(floating, variables["stowbay_api_port"], "GET", "/health/live")
    assert status == 200
    # Each edge but the holder would take it: its check says that it may.
    line = next(
        line.split('"')[1]
        for line in host.check_output("cat /etc/keepalived/keepalived.conf").splitlines()
        if "edge-check" in line
    )
    assert host.run(f"setpriv --reuid=nobody --clear-groups {line}").rc == 0
    log = host.check_output("journalctl --no-pager -o cat -b -u keepalived")
    assert ("Entering MASTER STATE" in log) or not held
    assert "Disabling track script" not in log and "Unsafe permissions" not in log


def test_nginx_is_ours_and_not_debian_s(host, variables):
    assert host.service("nginx").is_running and host.service("nginx").is_enabled
    process = host.check_output("systemctl show -P MainPID nginx")
    assert "-c /etc/stowbay/edge/nginx.conf" in host.check_output(
        f"tr '\\0' ' ' < /proc/{process}/cmdline"
    )
    listed = host.check_output("ss -Hltnp").splitlines()
    ports = {line.split()[3] for line in listed if '"nginx"' in line}
    names = ("stowbay_api_port", "stowbay_upload_port", "stowbay_download_port")
    assert ports == {f"0.0.0.0:{variables[name]}" for name in names} | {"127.0.0.1:8113"}


def test_units_are_shut_in(host, variables):
    units = ["nginx"] + ["keepalived"] * bool(variables["stowbay_floating_address"])
    for unit in units:
        line = host.check_output(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        assert float(line.split(":")[1].split()[0]) <= 4.0, line
        said = host.check_output(f"systemd-analyze verify --man=no {unit}.service 2>&1")
        assert "stowbay.conf" not in said


def test_only_root_reads_its_files(host):
    assert host.file("/etc/stowbay/edge").mode == 0o700
    found = host.check_output(
        "find /etc/stowbay/edge /etc/keepalived -type f -printf '%m %u %f\\n'"
    )
    rights = {line.split()[2]: line.split()[:2] for line in found.splitlines()}
    for name in ("nginx.conf", "settings.js", "ticket.js", "store.js"):
        assert rights[name] == ["600", "root"], name
    if "keepalived.conf" in rights:
        assert rights["keepalived.conf"] == ["600", "root"]


def test_nothing_on_it_makes_tickets(host, variables):
    """Only an edge that is a gateway too holds the ring, and there the gateway's group alone."""
    text = host.check_output("cat /etc/stowbay/edge/nginx.conf /etc/stowbay/edge/njs/settings.js")
    assert "PRIVATE" not in text
    assert host.file("/etc/stowbay/tickets.json").exists == ("gateway" in variables["group_names"])
    assert host.run("setpriv --reuid=www-data --clear-groups cat /etc/stowbay/tickets.json").rc != 0


def test_every_way_inside_is_checked(host):
    text = host.check_output("cat /etc/stowbay/edge/nginx.conf")
    assert text.count("proxy_ssl_verify on;") == 3
    assert "proxy_pass http://" not in text
    assert f'proxy_ssl_certificate "{PKI}/edge-inner/cert.pem";' in text


def test_the_cache_never_reaches_a_disk(host, variables):
    mounted = host.check_output("findmnt -n -o FSTYPE,OPTIONS /var/cache/stowbay-edge")
    kind, options = mounted.split(None, 1)
    assert kind == "tmpfs"
    assert {"noexec", "nosuid", "nodev", "noswap"} <= set(options.split(","))
    assert (
        host.run("setpriv --reuid=nobody --clear-groups ls /var/cache/stowbay-edge/slices").rc != 0
    )


def test_unsigned_uploads_and_tickets_of_nobody_are_refused(call, variables, address):
    upload, download = variables["stowbay_upload_port"], variables["stowbay_download_port"]
    copy = {"x-amz-copy-source": "/stowbay/blobs/aa"}
    for method, target in (
        ("PUT", "/stowbay/blobs/aa"),
        ("GET", "/stowbay/blobs/aa"),
        ("GET", "/"),
        ("GET", "/minio/health/live"),
        ("POST", "/minio/admin/v3/info"),
    ):
        status, body, _ = call(address, upload, method, target, copy)
        assert (status, json.loads(body)["code"]) == (403, "upload-url-refused"), target
    status, body, _ = call(address, download, "GET", "/o?t=x.y.z")
    assert status == 403 and json.loads(body)["code"].startswith("ticket-")


def test_a_copy_source_on_a_signed_url_is_not_obeyed(host, variables):
    """Asked on a gateway's host, which may sign; through the public name, so through an edge."""
    if "gateway" not in variables["group_names"]:
        assert not host.file("/etc/stowbay/stowbay.json").exists
        return
    script = (Path(__file__).parent / "copied.py").read_text()
    held = host.run(f"/opt/stowbay/current/bin/python -P - {PKI}/ca.pem <<'END'\n{script}\nEND\n")
    assert (held.rc, held.stdout) == (0, "sent"), held.stderr


def test_its_certificate_is_of_the_public_name(trust, variables, address):
    public, where = variables["stowbay_public_name"], (address, variables["stowbay_api_port"])
    with (
        socket.create_connection(where, timeout=20) as plain,
        trust.wrap_socket(plain, server_hostname=public) as shown,
    ):
        names = [value for kind, value in shown.getpeercert()["subjectAltName"] if kind == "DNS"]
    assert public in names


def test_what_nginx_read_is_what_lies_there(host):
    newer = host.check_output(
        f"find /etc/stowbay/edge {PKI}/edge {PKI}/edge-inner /etc/systemd/system/nginx.service.d"
        " -newer /run/stowbay-loaded-nginx"
    )
    assert newer == ""
    host.check_output("nginx -t -q -c /etc/stowbay/edge/nginx.conf")
