"""The whole of it on folders that look like an installation: a host's, and one that is broken."""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from click.testing import CliRunner

from appliance.cli.admin import admin
from appliance.support.collect import _redactor, collect
from appliance.support.gather import _journal_line
from appliance.support.sources import installation
from tests.unit.support.test_selection import SETTINGS

SINCE = datetime.now(UTC) - timedelta(hours=1)


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What the roles write, as far as it matters here."""
    texts = {
        "etc/stowbay/stowbay.json": "{}",
        "etc/stowbay/cluster": "cluster-name\n",
        "etc/stowbay/redis/redis.conf": (
            "bind 10.77.0.11 127.0.0.1\ntls-port 6379\nmasterauth word-of-redis\n"
            f"user default on #{'0a' * 32} ~*\nmaxmemory 64mb\n"
        ),
        "etc/stowbay/store/store.env": (
            "MINIO_ROOT_USER=root-user\nMINIO_ROOT_PASSWORD=word-of-root\nMINIO_BROWSER=off\n"
        ),
        "etc/patroni/shard1.yml": (
            "scope: shard1\nrestapi:\n  listen: 10.77.0.11:8008\n  authentication:\n"
            "    username: patroni\n    password: \"word-of-rest\"\n"
        ),
        "etc/haproxy/haproxy.cfg": (
            "backend redis\n    option tcp-check\n    tcp-check send 'AUTH word-of-redis'\\r\\n\n"
            "    server c1 10.77.0.11:6379 ssl check\n"
        ),
        "etc/keepalived/keepalived.conf": "vrrp_instance s {\n    auth_pass word-of-keep\n}\n",
        "etc/default/etcd": "ETCD_NAME=c1\nETCD_INITIAL_CLUSTER_TOKEN=cluster-name\n",
        "etc/hosts": "10.77.0.11 c1\n",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
        "var/log/nginx/nginx-error.log": (
            "2099/01/01 00:00:00 [error] 1#1: word-of-rest word-of-root, client: 198.51.100.9, "
            'upstream: "https://10.77.0.11:9000/b/k?X-Amz-Signature=00ffee"\n'
        ),
    }  # fmt: skip
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_host_of_a_cluster(host: Path) -> None:
    output = host / "bundle.tar.gz"
    collect(host / "etc/stowbay/stowbay.json", output, SINCE, doctor=False)
    files = unpacked(output)
    everything = "\n".join(files.values())
    for word in ("redis", "root", "rest", "keep"):
        assert f"word-of-{word}" not in everything
    assert "0a0a" not in everything and "00ffee" not in everything
    assert "198.51.100.9" not in everything
    redis = files["config/etc_stowbay_redis_redis.conf"]
    assert redis == "bind 10.77.0.11 127.0.0.1\ntls-port 6379\nmaxmemory 64mb\n"
    assert files["config/etc_patroni_shard1.yml"] == (
        "scope: shard1\nrestapi:\n  listen: 10.77.0.11:8008\n"
    )
    assert files["config/etc_stowbay_store_store.env"] == "MINIO_BROWSER=off\n"
    assert "server c1 10.77.0.11:6379 ssl check" in files["config/etc_haproxy_haproxy.cfg"]
    log = files["logs/var_log_nginx_nginx-error.log"]
    assert 'upstream: "https://10.77.0.11:9000/b/k?[redacted:query]"' in log
    told = json.loads(files["manifest.json"])
    assert told["installation"] == "a host of a cluster"
    patroni = next(e for e in told["entries"] if e["name"] == "config/etc_patroni_shard1.yml")
    assert patroni["left_out"] == {"authentication": 1, "username": 1, "password": 1}
    assert files["config/etc_stowbay_cluster"] == "cluster-name\n"
    assert files["config/etc_default_etcd"] == "ETCD_NAME=c1\n"
    missing = {each["source"]: each["why"] for each in told["left_out"]}
    assert missing[str(host / "etc/prometheus/prometheus.yml")] == "it is not there"
    assert any(source.startswith("doctor and figures") for source in missing), "settings are empty"


def test_what_a_host_of_seaweedfs_or_of_the_alerts_leaks(tmp_path: Path) -> None:
    """Into the journal, which has it as its unit printed it."""
    store = tmp_path / "etc/stowbay/store/store.env"
    alerts = tmp_path / "etc/prometheus/alertmanager.yml"
    for path in (store, alerts):
        path.parent.mkdir(parents=True)
    store.write_text(
        "WEED_JWT_SIGNING_KEY=volume-word\nWEED_JWT_FILER_SIGNING_READ_KEY=filer-word\n"
        "WEED_S3_SSE_KEK=5a5a77\nWEED_GRPC_CA=/etc/stowbay/pki/ca.pem\n"
        "WEED_GRPC_S3_KEY=/etc/stowbay/pki/store/key.pem\n"
    )
    hook = "https://hooks.example.com/services/T0A/B0B/AbCdEfGhIjKlMnOpQrStUvWx"
    alerts.write_text(
        f'receivers:\n  - {{"name": "o", "slack_configs": [{{"api_url": "{hook}"}}],'
        ' "pagerduty_configs": [{"routing_key": "pager-word"}]}\n'
    )
    secrets = ["volume-word", "filer-word", "5a5a77", "AbCdEfGhIjKlMnOpQrStUvWx", "pager-word"]
    place = installation(tmp_path / "etc/stowbay/stowbay.json")
    printed = {
        "__REALTIME_TIMESTAMP": "4070908800000000", "_SYSTEMD_UNIT": "stowbay-store.service",
        "MESSAGE": f"panic: bad seal {secrets[0]} {secrets[1]} 0x{secrets[2]}; post {hook}: 404, "
        f"{secrets[4]}; /etc/stowbay/pki/store/key.pem",
    }  # fmt: skip
    text = _journal_line(json.dumps(printed))
    assert all(each in text for each in secrets)
    kept = _redactor(place).redact(text).text
    assert not any(each in kept for each in secrets)
    assert "stowbay-store.service" in kept and "/etc/stowbay/pki/store/key.pem" in kept
    assert "https://hooks.example.com/services/T0A/B0B/[redacted:known-secret]: 404" in kept
    output = tmp_path / "bundle.tar.gz"
    collect(tmp_path / "etc/stowbay/stowbay.json", output, SINCE, doctor=False)
    files = unpacked(output)
    assert files["config/etc_stowbay_store_store.env"] == "WEED_GRPC_CA=/etc/stowbay/pki/ca.pem\n"
    assert not any(each in "".join(files.values()) for each in secrets)


class _Figures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"figures of {self.server.server_port} sk1-sk1\n".encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_figures_are_asked_where_the_settings_say(tmp_path: Path) -> None:
    """The worker's, too: at another address than loopback's usual one. A secret goes there, too."""
    config, output = tmp_path / "etc/stowbay/stowbay.json", tmp_path / "b.tar.gz"
    config.parent.mkdir(parents=True)
    place = "127.0.0.7"
    with HTTPServer((place, 0), _Figures) as gateway, HTTPServer((place, 0), _Figures) as worker:
        settings = msgspec.structs.replace(
            SETTINGS, metrics_host=place, gateway_ports=(1,),
            metrics_port=gateway.server_port, worker_metrics_port=worker.server_port,
        )  # fmt: skip
        config.write_bytes(msgspec.json.encode(settings))
        threads = [Thread(target=each.handle_request, daemon=True) for each in (gateway, worker)]
        for each in threads:
            each.start()
        collect(config, output, SINCE, doctor=False)
    files = unpacked(output)
    for name, page in (("gateway-0", gateway), ("worker", worker)):
        told = f"figures of {page.server_port} [redacted:known-secret]\n"
        assert files[f"metrics/{name}.txt"] == told


def test_the_two_kinds_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "var/config").mkdir(parents=True)
    (tmp_path / "var/log").mkdir()
    assert installation(tmp_path / "var/config/stowbay.json").root == tmp_path / "var"
    assert installation(Path("/etc/stowbay/stowbay.json")).root == Path("/")


def test_broken_settings_are_no_reason_not_to_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "log").mkdir()
    (tmp_path / "config/stowbay.json").write_text('{"redis_url": "redis://:half-a-word@h:1/0", ')
    (tmp_path / "log/gateway-0.log").write_text("no start: half-a-word in the settings\n")
    monkeypatch.setenv("STOWBAY_CONFIG", str(tmp_path / "config/stowbay.json"))
    output = tmp_path / "b.tar.gz"
    done = CliRunner().invoke(admin, ["support-bundle", "--output", str(output), "--since", "1h"])
    assert done.exit_code == 0, done.output
    files = unpacked(output)
    assert "no start: [redacted:known-secret]" in files["logs/log_gateway-0.log"]
    told = {e["source"]: e["why"] for e in json.loads(files["manifest.json"])["left_out"]}
    assert "no JSON object" in told[str(tmp_path / "config/stowbay.json")]
    assert any("the settings are wrong" in why for why in told.values())


@pytest.mark.parametrize("since", ["yesterday", "5x", "-1h", ""])
def test_a_time_that_is_none(since: str, tmp_path: Path) -> None:
    output = tmp_path / "b.tar.gz"
    done = CliRunner().invoke(admin, ["support-bundle", "--output", str(output), "--since", since])
    assert done.exit_code == 2
    assert not output.exists()
