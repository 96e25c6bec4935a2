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
from appliance.edge.options import EdgeOptions, InnerTls

__all__ = ["render"]

_HERE = Path(__file__).parent
_PLACEHOLDER = re.compile(r"@([a-z_0-9]+)@")
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
        if self.options.status_port is not None:
            names.append("status")
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
                    f"server {address} max_fails=1 fail_timeout={options.gateway_pause_seconds}s;"
                    for address in options.gateways
                ),
                8,
            ),
            "gateway_tries": str(max(2, min(3, len(options.gateways)))),
            "gateway_scheme": "https" if options.gateway_tls else "http",
            "gateway_tls": _lines(_inner_tls(options.gateway_tls), 8),
            "store_scheme": "https" if options.store_tls else "http",
            "store_tls": _lines(_inner_tls(options.store_tls), 8),
            "api_zone": (
                f"limit_req_zone $binary_remote_addr zone=api:8m rate={options.api_per_second}r/s;"
                if options.api_per_second
                else ""
            ),
            "api_limit": (
                f"limit_req zone=api burst={options.api_burst} nodelay;"
                if options.api_per_second
                else ""
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
        word = " http2" if http2 and not self.able.http2_directive else ""
        lines = [
            f"listen {f'[{host}]' if ':' in host else host}:{port} ssl{word};"
            for host in self.options.listen_hosts
        ]
        if http2 and self.able.http2_directive:
            lines.append("http2 on;")
        return " ".join(lines)

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


def _inner_tls(tls: InnerTls | None) -> Iterable[str]:
    """In each server: nginx takes none of these from the upstream."""
    if tls is None:
        return
    yield "proxy_ssl_protocols TLSv1.2 TLSv1.3;"
    yield "proxy_ssl_verify on;"
    yield "proxy_ssl_verify_depth 3;"
    yield f'proxy_ssl_trusted_certificate "{tls.ca}";'
    yield f"proxy_ssl_name {tls.name};"
    if tls.certificate is not None:
        yield f'proxy_ssl_certificate "{tls.certificate}";'
        yield f'proxy_ssl_certificate_key "{tls.certificate_key}";'


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
