"""One suite, two real stores: every test that takes `store` runs against each of them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import aiohttp
import pytest
from aiobotocore.session import get_session
from botocore.config import Config

from appliance.objects.control import ObjectControl
from appliance.objects.keys import single_key
from appliance.objects.presign import Presigner, SignedPut
from appliance.objects.reader import ObjectReader
from tests.objects.store_processes import BUCKET, REGION, RunningStore, running

MIB = 1 << 20
PART = 5 * MIB


@pytest.fixture(scope="session", params=["minio", "seaweedfs"])
def store(request, tmp_path_factory) -> Iterator[RunningStore]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as running_store:
        yield running_store


@pytest.fixture(scope="session")
async def control(store) -> AsyncIterator[ObjectControl]:
    async with ObjectControl(store.settings) as opened:
        yield opened


@pytest.fixture(scope="session")
async def reader(store) -> AsyncIterator[ObjectReader]:
    async with ObjectReader(store.settings) as opened:
        yield opened


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        yield session


@pytest.fixture(scope="session")
def presigner(store) -> Presigner:
    return Presigner(store.settings.endpoint, REGION, BUCKET, store.settings.signer)


@pytest.fixture
def key() -> str:
    return single_key(secrets.randbits(62) + 1, secrets.token_bytes(16))


class Uploader:
    """Signs and sends; answers the status and the ETag."""

    def __init__(self, presigner: Presigner, http: aiohttp.ClientSession) -> None:
        self.presigner = presigner
        self.http = http

    def single(self, key: str, body: bytes, **when) -> SignedPut:
        digest = sha256(body).digest()
        return self.presigner.put_url(key, digest, len(body), **(when or self._when()))

    def part(self, key: str, s3_upload_id: str, number: int, body: bytes) -> SignedPut:
        digest = sha256(body).digest()
        return self.presigner.part_url(key, s3_upload_id, number, digest, len(body), **self._when())

    async def send(self, put: SignedPut, body, **headers: str) -> tuple[int, str]:
        """`headers` come on top of the signed ones; an empty value leaves one out."""
        sent = {"x-amz-checksum-sha256": put.headers["x-amz-checksum-sha256"], **headers}
        sent = {name: value for name, value in sent.items() if value}
        async with self.http.put(put.url, data=body, headers=sent) as answer:
            await answer.read()
            return answer.status, answer.headers.get("ETag", "")

    def _when(self) -> dict:
        return {"now": datetime.now(UTC), "expires": timedelta(minutes=10)}


@pytest.fixture(scope="session")
def uploader(presigner, http) -> Uploader:
    return Uploader(presigner, http)


@pytest.fixture(scope="session")
def client_of(store):
    """An ordinary S3 client that holds one role's credential, to try what it may do."""

    @asynccontextmanager
    async def open_client(role: str):
        credential = store.root if role == "root" else store.credential(role)
        async with get_session().create_client(
            "s3",
            endpoint_url=store.settings.endpoint,
            region_name=REGION,
            aws_access_key_id=credential.access_key,
            aws_secret_access_key=credential.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        ) as client:
            yield client

    return open_client
