"""nginx's configuration, made from options and templates. Pure but for reading the templates.

One set of templates (nginx/*.conf, njs/*.js) serves every supported nginx; the differences come
in as Capabilities. `render` gives file names relative to a folder of the caller's choice, which
becomes `config_dir`. njs/settings.js holds the edge credential: write all with mode 0600.

Before nginx starts, `cache_dir` (in memory, or on a volume with a key made at boot), `run_dir` and
`log_dir` must exist and be writable: `cache_dir` by the workers' user, the others by the master.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from appliance.domain.tickets import ALGORITHM
from appliance.edge.answers import ANSWERS, UPLOAD_ERRORS
from appliance.edge.capabilities import MODULE, Capabilities

__all__ = ["EdgeOptions", "render"]

_HERE = Path(__file__).parent
_PLACEHOLDER = re.compile(r"@([a-z_0-9]+)@")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9._:/\[\]-]*")
# Paths stand in quotes in every template.
_PATH = re.compile(r'/[^"\\$\x00-\x1f\x7f]*')
_PATHS = frozenset(
    {
        "certificate",
        "certificate_key",
        "config_dir",
        "cache_dir",
        "run_dir",
        "log_dir",
        "modules_dir",
    }
)
# DER of SubjectPublicKeyInfo for P-256, up to the point itself (RFC 5480).
_SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")

_HIDDEN = (
    "Server",
    "Vary",
    "Set-Cookie",
    "Location",
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Xss-Protection",
    "X-Frame-Options",
    "X-Request-Id",
    "X-Ratelimit-Limit",
    "X-Ratelimit-Remaining",
    "X-Minio-Deployment-Id",
    "X-Minio-Error-Code",
    "X-Minio-Error-Desc",
    "X-Seaweedfs-Uploaded-At",
    "X-Amz-Request-Id",
    "X-Amz-Id-2",
    "X-Amz-Bucket-Region",
    "X-Amz-Version-Id",
    "X-Amz-Delete-Marker",
    "X-Amz-Expiration",
    "X-Amz-Server-Side-Encryption",
    "X-Amz-Storage-Class",
    "X-Amz-Mp-Parts-Count",
    "X-Amz-Tagging-Count",
    "X-Amz-Checksum-Type",
    "X-Amz-Checksum-Sha256",
    "X-Amz-Checksum-Crc32",
    "X-Amz-Checksum-Crc32c",
    "X-Amz-Checksum-Crc64nvme",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
)

_API_HEADERS = (
    "add_header X-Request-Id $stowbay_request_id always;",
    "add_header X-Content-Type-Options nosniff always;",
    "add_header X-Frame-Options DENY always;",
    "add_header Referrer-Policy no-referrer always;",
    "add_header Content-Security-Policy "
    "\"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\" always;",
)


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """Paths are absolute. `public_keys` as KeyRing.public_keys gives them.

    `user`: whom the workers run as, None where nginx isn't started by root. `modules_dir`: where
    the njs module lies, None where it is built in. `signin_*` bound sign-ins per address.
    """

    listen_host: str
    api_port: int
    upload_port: int
    download_port: int
    bench_port: int | None
    certificate: str
    certificate_key: str
    gateway_ports: tuple[int, ...]
    store_address: str  # host:port
    bucket: str
    edge_access_key: str
    edge_secret_key: str
    region: str
    public_keys: Mapping[str, str]
    api_url: str
    config_dir: str  # where the rendered files will lie
    cache_dir: str
    cache_megabytes: int
    run_dir: str
    log_dir: str
    user: str | None
    modules_dir: str | None
    workers: int
    signin_per_minute: int = 30
    signin_burst: int = 20

    def __post_init__(self) -> None:
        """A value with a quote, or a name with a space or semicolon, would become configuration."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("edge_access_key", "edge_secret_key"):
                continue  # written as JSON
            pattern = _PATH if field.name in _PATHS else _PLAIN_TEXT
            if isinstance(value, str) and not pattern.fullmatch(value):
                raise ValueError(f"{field.name} holds a character that nginx would interpret")
        if not self.gateway_ports:
            raise ValueError("an edge needs at least one gateway")


def render(options: EdgeOptions, able: Capabilities) -> dict[str, str]:
    """File name -> text: nginx.conf and the njs modules."""
    return {
        "nginx.conf": _Page(options, able).text(),
        "njs/ticket.js": _read("njs/ticket.js"),
        "njs/store.js": _read("njs/store.js"),
        "njs/settings.js": _njs_settings(options, able),
    }


@dataclass(frozen=True, slots=True)
class _Page:
    options: EdgeOptions
    able: Capabilities

    def text(self) -> str:
        names = ["api", "upload", "download"]
        if self.options.bench_port is not None:
            names.append("bench")
        values = self._values()
        values["servers"] = "\n".join(_fill(_read(f"nginx/{name}.conf"), values) for name in names)
        return _fill(_read("nginx/main.conf"), values)

    def _values(self) -> dict[str, str]:
        options = self.options
        given = {
            field.name: str(getattr(options, field.name))
            for field in fields(options)
            if field.name not in ("edge_access_key", "edge_secret_key", "public_keys")
        }
        made = {
            "user": f"user {options.user};" if options.user else "",
            "load_module": (
                f'load_module "{options.modules_dir}/{MODULE}";' if options.modules_dir else ""
            ),
            "njs_dir": f"{options.config_dir}/njs",
            "capabilities": _lines(self._capability_lines(), 4),
            "gateway_servers": _lines(
                (
                    f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;"
                    for port in options.gateway_ports
                ),
                8,
            ),
            "bucket_pattern": re.escape(options.bucket).replace(r"\-", "-"),
            "signin_retry_seconds": str(max(1, round(60 / options.signin_per_minute))),
            "listen_api": self._listen(options.api_port, http2=True),
            "listen_upload": self._listen(options.upload_port, http2=False),
            "listen_download": self._listen(options.download_port, http2=False),
            "api_headers": _lines(_API_HEADERS, 8),
            "download_headers": _lines(_download_headers(options.api_url), 8),
            "hide_store_headers": _lines((f"proxy_hide_header {name};" for name in _HIDDEN), 12),
            "upload_errors": _lines(_upload_error_pages(), 12),
            "upload_error_locations": _lines(_upload_error_locations(), 8),
        }
        if options.bench_port is not None:
            made["listen_bench"] = self._listen(options.bench_port, http2=False)
        return given | made | {f"{name}_body": answer.body() for name, answer in ANSWERS.items()}

    def _listen(self, port: int, *, http2: bool) -> str:
        host = self.options.listen_host
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if not http2:
            return f"listen {where} ssl;"
        if self.able.http2_directive:
            return f"listen {where} ssl; http2 on;"
        return f"listen {where} ssl http2;"

    def _capability_lines(self) -> Iterable[str]:
        if self.able.ticket_dictionary:
            yield "js_shared_dict_zone zone=tickets:8m timeout=900s evict;"
        if self.able.js_set_nocache:
            yield "js_set $store_authorization store.authorization nocache;"
        else:
            # js_set keeps the flags of a variable that exists: this one is evaluated at each use.
            yield 'map $request_id $store_authorization { volatile; default ""; }'
            yield "js_set $store_authorization store.authorization;"


def _download_headers(api_url: str) -> Iterable[str]:
    return (
        "add_header X-Request-Id $stowbay_request_id always;",
        "add_header X-Content-Type-Options nosniff always;",
        "add_header Referrer-Policy no-referrer always;",
        'add_header Cache-Control "private, no-store" always;',
        "add_header Content-Security-Policy \"sandbox; default-src 'none'; img-src 'self'; "
        "media-src 'self'; style-src 'unsafe-inline'; frame-ancestors "
        f'{api_url}" always;',
        "add_header Cross-Origin-Resource-Policy cross-origin always;",
        f'add_header Access-Control-Allow-Origin "{api_url}" always;',
        "add_header Access-Control-Allow-Credentials true always;",
        'add_header Access-Control-Allow-Methods "GET, HEAD" always;',
        'add_header Access-Control-Allow-Headers "range, if-range, x-request-id" always;',
        "add_header Access-Control-Expose-Headers "
        '"ETag, Content-Length, Content-Range, Accept-Ranges, Content-Disposition, X-Request-Id, '
        'Retry-After" always;',
    )


def _upload_error_pages() -> Iterable[str]:
    for status in UPLOAD_ERRORS:
        also = {403: "401 403", 503: "500 501 502 503 504"}.get(status, str(status))
        yield f"error_page {also} = @upload_{status};"


def _upload_error_locations() -> Iterable[str]:
    for status, answer in UPLOAD_ERRORS.items():
        yield f"location @upload_{status} {{ return {answer.status} '{answer.body()}'; }}"


def _njs_settings(options: EdgeOptions, able: Capabilities) -> str:
    settings = {
        "bucket": options.bucket,
        "dictionary": able.ticket_dictionary,
        "keyFormat": "raw" if able.raw_key_points else "spki",
        "keys": {
            kid: {"algorithm": ALGORITHM, "material": _material(point, raw=able.raw_key_points)}
            for kid, point in options.public_keys.items()
        },
        "store": {
            "host": options.store_address,
            "region": options.region,
            "accessKey": options.edge_access_key,
            "secretKey": options.edge_secret_key,
        },
    }
    return f"export default {json.dumps(settings, indent=4)};\n"


def _material(point: str, *, raw: bool) -> str:
    decoded = base64.urlsafe_b64decode(point + "=" * (-len(point) % 4))
    if len(decoded) != 65:
        raise ValueError("a public key is an uncompressed point on P-256: 65 bytes")
    whole = decoded if raw else _SPKI_HEAD + decoded
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _lines(lines: Iterable[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)


@cache
def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
