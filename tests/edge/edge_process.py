"""A real nginx with our configuration on free loopback ports, and the client that talks to it."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.edge.capabilities import probe
from appliance.edge.config import render
from appliance.edge.options import EdgeOptions

MODULES = Path("/usr/lib/nginx/modules")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem, which must be one in form too."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["X-Request-Id"]
        return problem["code"]


@dataclass
class Edge:
    options: EdgeOptions
    folder: Path
    process: subprocess.Popen[bytes]

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.options.certificate)

    def connect(self, port: int) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", port, context=self.context(), timeout=30)

    def call(
        self,
        port: int,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        connection = self.connect(port)
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def api(self, method: str, target: str, **given: Any) -> Answer:
        return self.call(self.options.api_port, method, target, **given)

    def upload(self, method: str, target: str, **given: Any) -> Answer:
        return self.call(self.options.upload_port, method, target, **given)

    def download(self, token: str, method: str = "GET", **given: Any) -> Answer:
        return self.call(self.options.download_port, method, f"/o?t={token}", **given)

    def publish(self, public_keys: Mapping[str, str]) -> None:
        """What provisioning does at a rotation: write, reload, wait until it is in force."""
        self.options = replace(self.options, public_keys=public_keys)
        before = self.workers()
        write_configuration(self.options)
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while not self.workers() - before or self.workers() & before:
            assert time.monotonic() < end, self.log("nginx-error.log")
            time.sleep(0.05)

    def workers(self) -> set[int]:
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children")
        return {int(pid) for pid in children.read_text().split()}

    def logged(self, name: str, text: str) -> str:
        """The log once it holds the text: nginx writes a request's line after its answer."""
        end = time.monotonic() + 5
        while text not in self.log(name):
            assert time.monotonic() < end, (name, text)
            time.sleep(0.02)
        return self.log(name)

    def log(self, name: str) -> str:
        return (self.folder / "log" / name).read_text()


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(pem))
    paths[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def write_configuration(options: EdgeOptions) -> None:
    for name, text in render(options, probe("nginx", MODULES)).items():
        path = Path(options.config_dir) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)


def options_in(folder: Path, ports: list[int], **given: Any) -> EdgeOptions:
    for name in ("config", "cache", "run", "log"):
        (folder / name).mkdir()
    cert, key = certificate(folder)
    given.setdefault("listen_hosts", ("127.0.0.1",))
    return EdgeOptions(
        api_port=ports[0],
        upload_port=ports[1],
        download_port=ports[2],
        certificate=str(cert),
        certificate_key=str(key),
        api_url=f"https://localhost:{ports[0]}",
        config_dir=str(folder / "config"),
        cache_dir=str(folder / "cache"),
        cache_megabytes=256,
        run_dir=str(folder / "run"),
        log_dir=str(folder / "log"),
        user="root" if os.geteuid() == 0 else None,
        modules_dir=str(MODULES),
        workers=1,
        **given,
    )


@contextmanager
def running_edge(options: EdgeOptions, folder: Path) -> Iterator[Edge]:
    write_configuration(options)
    process = subprocess.Popen(
        [
            "nginx",
            "-e",
            folder / "log" / "nginx-error.log",
            "-c",
            Path(options.config_dir) / "nginx.conf",
            "-g",
            "daemon off;",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    edge = Edge(options, folder, process)
    try:
        end = time.monotonic() + 10
        while True:
            try:
                edge.api("GET", "/")
                break
            except ConnectionError:
                if process.poll() is not None or time.monotonic() > end:
                    assert process.stderr is not None
                    process.kill()
                    raise RuntimeError(process.stderr.read().decode()) from None
                time.sleep(0.05)
        yield edge
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        shutil.rmtree(folder, ignore_errors=True)
