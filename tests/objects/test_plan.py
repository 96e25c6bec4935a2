"""A real MinIO behind TLS, provisioned by `stowbay-admin store` and then closed to root."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error

from appliance.domain.errors import StoreUnavailable
from appliance.machine.pki import Certificates, keep_certificates
from appliance.objects.control import ObjectControl
from appliance.objects.keys import single_key
from appliance.objects.plan import StorePlan
from appliance.objects.policies import ROLES
from appliance.objects.reader import ObjectReader
from appliance.settings import Credential, ObjectStore
from tests.objects.store_processes import Place, minio_binary, new_place

KEY = single_key(5, b"0123456789abcdef")


class TlsStore:
    def __init__(self, place: Place, certificates: Certificates) -> None:
        self.place = place
        self.authority = certificates.authority
        self.certs = place.directory / "certs"
        self.certs.mkdir()
        (self.certs / "public.crt").symlink_to(certificates.server)
        (self.certs / "private.key").symlink_to(certificates.server_key)

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.place.ports[0]}"

    @property
    def plan(self) -> StorePlan:
        return StorePlan(
            kind="minio",
            endpoint=f"https://{self.netloc}",
            region="us-east-1",
            bucket="stowbay",
            root=self.place.credentials["root"],
            credentials={role: self.place.credentials[role] for role in ROLES},
            edge_sources=("127.0.0.0/8",),
            ca=str(self.authority),
        )

    @property
    def settings(self) -> ObjectStore:
        return msgspec.structs.replace(
            self.place.settings, endpoint=f"https://{self.netloc}", ca=str(self.authority)
        )

    @contextmanager
    def running(self, root_access: str) -> Iterator[None]:
        root = self.place.credentials["root"]
        with (self.place.directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [minio_binary(), "server", "--quiet", "--address", self.netloc,
                 "--certs-dir", self.certs, self.place.directory / "data"],
                cwd=self.place.directory,
                env={
                    "PATH": os.environ["PATH"], "HOME": str(self.place.directory),
                    "MINIO_CI_CD": "1", "MINIO_BROWSER": "off",
                    "MINIO_API_ROOT_ACCESS": root_access,
                    "MINIO_KMS_SECRET_KEY": "stowbay:" + "A" * 43 + "=",
                    "MINIO_ROOT_USER": root.access_key, "MINIO_ROOT_PASSWORD": root.secret_key,
                },
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait()
            yield
        finally:
            process.kill()
            process.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while self.status("/minio/health/ready") != 200:
            assert time.monotonic() < deadline, (self.place.directory / "log").read_text()
            time.sleep(0.1)

    def status(self, path: str) -> int:
        context = ssl.create_default_context(cafile=str(self.authority))
        asked = http.client.HTTPSConnection(self.netloc, context=context, timeout=10)
        try:
            asked.request("GET", path)
            return asked.getresponse().status
        except ConnectionError:
            return 0
        finally:
            asked.close()

    def admin(self, credential: Credential) -> MinioAdmin:
        return MinioAdmin(
            endpoint=self.netloc,
            credentials=StaticProvider(credential.access_key, credential.secret_key),
            secure=True,
            http_client=urllib3.PoolManager(ca_certs=str(self.authority)),
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TlsStore:
    folder = tmp_path_factory.mktemp("tls")
    return TlsStore(
        new_place("minio", folder), keep_certificates(folder / "pki", datetime.now(UTC))
    )


def command(plan: StorePlan, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "stowbay-admin"), "store", *words, "--wait=3"],
        input=msgspec.json.encode(plan).decode(),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_root_provisions_and_is_refused_afterwards(store: TlsStore) -> None:
    with store.running(root_access="on"):
        assert command(store.plan, "check").stdout == "differs\n"
        done = command(store.plan, "provision")
        assert (done.returncode, done.stdout) == (0, "provisioned stowbay\n"), done.stderr
        assert command(store.plan, "check").stdout == "current\n"
        assert command(store.plan, "provision").returncode == 0

    with store.running(root_access="off"):
        assert command(store.plan, "check").stdout == "current\n"
        refused = command(store.plan, "provision")
        assert refused.returncode == 1
        assert not any(
            each.secret_key in refused.stderr for each in store.plan.credentials.values()
        )
        for credential in (store.plan.root, *store.plan.credentials.values()):
            with pytest.raises(MinioAdminException) as caught:
                store.admin(credential).user_list()
            assert "40" in str(caught.value)
        assert store.status("/minio/admin/v3/list-users") == 403
        root = Minio(
            store.netloc,
            access_key=store.plan.root.access_key,
            secret_key=store.plan.root.secret_key,
            http_client=urllib3.PoolManager(ca_certs=str(store.authority)),
        )
        with pytest.raises(S3Error):
            root.list_buckets()
        async with ObjectControl(store.settings) as control, ObjectReader(store.settings) as reader:
            assert await control.head(KEY) is None
            assert [page async for page in reader.list_all("blobs/")] == []
        unknown = msgspec.structs.replace(store.settings, ca="")
        async with ObjectControl(unknown) as control:
            with pytest.raises(StoreUnavailable):
                await control.head(KEY)


async def test_a_changed_plan_differs_and_a_retired_key_is_gone(store: TlsStore) -> None:
    old = store.plan.credentials["backup"]
    renewed = {**store.plan.credentials, "backup": Credential("backup0renewed", "s" * 40)}
    changed = msgspec.structs.replace(store.plan, credentials=renewed, retired=(old.access_key,))
    with store.running(root_access="on"):
        assert command(store.plan, "provision").returncode == 0
        assert old.access_key in store.admin(store.plan.root).user_list()
        assert command(changed, "check").stdout == "differs\n"
        assert command(changed, "provision").returncode == 0
        assert command(changed, "check").stdout == "current\n"
        users = store.admin(store.plan.root).user_list()
    assert old.access_key not in users
    assert "backup0renewed" in users


def test_a_plan_that_lacks_a_credential_is_refused(store: TlsStore) -> None:
    few = {role: store.plan.credentials[role] for role in ROLES if role != "backup"}
    done = command(msgspec.structs.replace(store.plan, credentials=few), "check")
    assert done.returncode == 2
    assert "no credential for backup" in done.stderr


@pytest.mark.parametrize(
    ("options", "names"), [([], {*ROLES}), (["--with-root"], {*ROLES, "root"})]
)
def test_identities_for_seaweedfs_are_printed(
    store: TlsStore, options: list[str], names: set[str]
) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "stowbay-admin"), "store", "identities", *options],
        input=msgspec.json.encode(msgspec.structs.replace(store.plan, kind="seaweedfs")).decode(),
        capture_output=True,
        text=True,
    )
    assert {each["name"] for each in msgspec.json.decode(done.stdout)["identities"]} == names
