"""The allow-list: every file, unit, command and page of figures that a bundle may hold.

Two kinds of installation, told apart by where the settings file lies: one machine (`make run`,
VAR/config/stowbay.json, logs in VAR/log) and a host of a cluster (/etc/stowbay, logs in the
journal). Globs are relative to `root`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Installation", "Kind", "Source", "installation"]


class Kind(StrEnum):
    SETTINGS = "settings"  # by keys
    LOG = "log"  # by fields, the newest of it
    DIRECTIVES = "directives"  # by the first word of each line
    TEXT = "text"  # as it is


@dataclass(frozen=True, slots=True)
class Source:
    folder: str  # in the archive
    glob: str
    kind: Kind
    words: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Installation:
    """`secret_files` and `whole_secrets` are read for what must not be in the bundle."""

    name: str
    root: Path
    sources: tuple[Source, ...]
    secret_files: tuple[str, ...]
    whole_secrets: tuple[str, ...]
    address_files: tuple[str, ...]
    units: tuple[str, ...] = ()
    figures: tuple[tuple[str, int], ...] = ()  # name, port on loopback; besides our processes


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REDIS = _words(
    "tls-cert-file tls-key-file tls-ca-cert-file "
    "bind port tls-port tls-auth-clients tls-replication tls-protocols protected-mode "
    "tcp-keepalive maxclients loglevel dir save appendonly shutdown-on-sigterm "
    "shutdown-timeout repl-diskless-sync repl-diskless-sync-delay repl-diskless-load "
    "rdb-del-sync-files maxmemory maxmemory-policy replica-serve-stale-data replica-read-only "
    "repl-ping-replica-period repl-timeout min-replicas-to-write min-replicas-max-lag include "
    "daemonize logfile replicaof"
)
_NGINX = _words(
    "log_format stub_status proxy_ssl_protocols proxy_ssl_trusted_certificate "
    "if map return error_page proxy_set_header "
    "user worker_processes worker_rlimit_nofile worker_shutdown_timeout pid error_log "
    "load_module events worker_connections http server listen server_name location access_log "
    "upstream keepalive keepalive_requests keepalive_timeout proxy_pass proxy_next_upstream "
    "proxy_next_upstream_tries proxy_connect_timeout proxy_read_timeout proxy_send_timeout "
    "proxy_http_version proxy_request_buffering proxy_buffering proxy_buffers "
    "proxy_buffer_size proxy_cache proxy_cache_path proxy_cache_valid proxy_cache_min_uses "
    "proxy_cache_lock proxy_cache_lock_age proxy_cache_lock_timeout proxy_ssl_verify "
    "proxy_ssl_name client_max_body_size client_header_timeout client_body_timeout "
    "send_timeout slice max_ranges limit_req limit_req_zone limit_req_status ssl_protocols "
    "ssl_ciphers ssl_session_timeout ssl_session_cache ssl_session_tickets ssl_certificate "
    "ssl_certificate_key js_import js_path js_set sendfile tcp_nopush "
    "reset_timedout_connection large_client_header_buffers"
)
_POSTGRES = _words(
    "listen_addresses port max_connections shared_buffers unix_socket_directories "
    "logging_collector log_line_prefix log_timezone log_min_duration_statement "
    "log_parameter_max_length log_parameter_max_length_on_error password_encryption fsync "
    "synchronous_commit wal_level max_wal_size min_wal_size checkpoint_timeout "
    "effective_cache_size work_mem maintenance_work_mem dynamic_shared_memory_type timezone "
    "datestyle"
)
_HAPROXY = _words(
    "global defaults crt-store frontend backend listen log user group chroot maxconn stats "
    "ssl-default-bind-options ssl-default-server-options hard-stop-after load mode option "
    "retries timeout bind default_backend use_backend balance http-check server http-request"
)
_PATRONI = _words(
    "scope namespace name log level loggers patroni.api restapi listen connect_address "
    "certfile keyfile cafile verify_client allowlist ctl cacert etcd3 hosts protocol cert key "
    "bootstrap dcs initdb encoding locale data-checksums postgresql data_dir bin_dir "
    "use_unix_socket parameters pg_hba tags nofailover noloadbalance clonefrom nosync "
    "watchdog mode ttl loop_wait"
)
_ETCD = _words(
    "ETCD_NAME ETCD_DATA_DIR ETCD_LISTEN_PEER_URLS ETCD_LISTEN_CLIENT_URLS "
    "ETCD_LISTEN_METRICS_URLS ETCD_INITIAL_ADVERTISE_PEER_URLS ETCD_ADVERTISE_CLIENT_URLS "
    "ETCD_INITIAL_CLUSTER ETCD_INITIAL_CLUSTER_STATE ETCD_CERT_FILE ETCD_CLIENT_CERT_AUTH "
    "ETCD_PEER_CLIENT_CERT_AUTH ETCD_PEER_CERT_ALLOWED_CN ETCD_HEARTBEAT_INTERVAL "
    "ETCD_ELECTION_TIMEOUT ETCD_QUOTA_BACKEND_BYTES ETCD_AUTO_COMPACTION_MODE "
    "ETCD_AUTO_COMPACTION_RETENTION ETCD_LOG_LEVEL"
)
_KEEPALIVED = _words(
    "global_defs router_id enable_script_security script_user vrrp_script script interval "
    "timeout fall rise vrrp_instance state nopreempt interface virtual_router_id priority "
    "advert_int garp_master_refresh unicast_src_ip unicast_peer virtual_ipaddress "
    "track_script stowbay_edge"
)
_STORE = _words(
    "MINIO_VOLUMES MINIO_OPTS MINIO_API_ROOT_ACCESS MINIO_KMS_AUTO_ENCRYPTION MINIO_BROWSER "
    "MINIO_UPDATE MINIO_CALLHOME_ENABLE MINIO_SITE_REGION MINIO_API_STALE_UPLOADS_EXPIRY "
    "MINIO_PROMETHEUS_AUTH_TYPE WEED_GRPC_CA"
)
_PROMETHEUS = _words(
    "global scrape_interval scrape_timeout evaluation_interval external_labels cluster "
    "rule_files alerting alertmanagers scheme scrape_configs job_name metrics_path targets "
    "labels static_configs ARGS"
)

_MACHINE = (
    Source("config", "config/stowbay.json", Kind.SETTINGS),
    Source("config", "config/nginx/nginx.conf", Kind.DIRECTIVES, _NGINX),
    Source("config", "redis/redis.conf", Kind.DIRECTIVES, _REDIS),
    Source("config", "postgres/data/postgresql.conf", Kind.DIRECTIVES, _POSTGRES),
    Source("logs", "log/*.log", Kind.LOG),
    Source("logs", "log/*.log.1", Kind.LOG),
)
_HOST = (
    Source("config", "etc/stowbay/stowbay.json", Kind.SETTINGS),
    Source("config", "etc/stowbay/cluster", Kind.TEXT),
    Source("config", "etc/stowbay/edge/nginx.conf", Kind.DIRECTIVES, _NGINX),
    Source("config", "etc/stowbay/firewall.nft", Kind.TEXT),
    Source("config", "etc/stowbay/redis/redis.conf", Kind.DIRECTIVES, _REDIS),
    Source("config", "etc/stowbay/store/store.env", Kind.DIRECTIVES, _STORE),
    Source("config", "etc/patroni/*.yml", Kind.DIRECTIVES, _PATRONI),
    Source("config", "etc/haproxy/haproxy.cfg", Kind.DIRECTIVES, _HAPROXY),
    Source("config", "etc/keepalived/keepalived.conf", Kind.DIRECTIVES, _KEEPALIVED),
    Source("config", "etc/default/etcd", Kind.DIRECTIVES, _ETCD),
    Source("config", "etc/prometheus/prometheus.yml", Kind.DIRECTIVES, _PROMETHEUS),
    Source("system", "etc/os-release", Kind.TEXT),
    Source("logs", "var/log/nginx/nginx-*.log", Kind.LOG),
    Source("logs", "var/log/nginx/nginx-*.log.1", Kind.LOG),
)
_UNITS = (
    "stowbay-*", "patroni*", "etcd", "haproxy", "keepalived", "nginx", "redis-*", "prometheus*",
    "chrony", "unattended-upgrades",
)  # fmt: skip
_EXPORTERS = (
    ("node", 9100), ("nginx", 9113), ("redis", 9121), ("postgres", 9187), ("postgres-2", 9197),
    ("etcd", 2381),
)  # fmt: skip


def installation(settings_file: Path) -> Installation:
    """By the place of the settings file, which needn't exist: support is asked when things are
    broken."""
    place = Path(settings_file).absolute()
    if (place.parent.parent / "log").is_dir() and place.parent.name == "config":
        return Installation(
            name="one machine",
            root=place.parent.parent,
            sources=_MACHINE,
            secret_files=(
                "config/*.json", "config/nginx/njs/*", "redis/*.conf", "run/*.env", "run/*.toml",
                "pki/*.key",
            ),
            whole_secrets=("secrets/*",),
            address_files=("config/stowbay.json", "config/nginx/nginx.conf"),
        )  # fmt: skip
    root = place.parents[2] if len(place.parents) > 2 else Path("/")
    return Installation(
        name="a host of a cluster",
        root=root,
        sources=_HOST,
        secret_files=(
            "etc/stowbay/*", "etc/stowbay/*/*", "etc/stowbay/*/*/*", "etc/patroni/*",
            "etc/haproxy/*", "etc/keepalived/*", "etc/default/prometheus*",
            "etc/prometheus/*",
            "var/lib/postgresql/*.pgpass",
        ),
        whole_secrets=("etc/prometheus/password",),
        address_files=("etc/hosts", "etc/stowbay/stowbay.json", "etc/stowbay/firewall.nft"),
        units=_UNITS,
        figures=_EXPORTERS,
    )  # fmt: skip
