"""One S3 client for one credential: how long we wait, how often we try again, what is left out.

Nothing is taken from the process's environment (profiles, proxies, credentials): the store is on
the private network and all that is needed is in the settings file. Checksums are sent and checked
only where S3 demands them, as the stores check SHA-256 for us where bytes matter.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from appliance.settings import Credential, ObjectStore

__all__ = [
    "COMPLETE_SECONDS",
    "CONNECT_SECONDS",
    "POOL",
    "READ_SECONDS",
    "TRIES",
    "s3_client",
    "s3_session",
]

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
COMPLETE_SECONDS = 240.0  # 10,000 parts, on a store that has just been restarted
POOL = 50  # connections of one process
TRIES = 3  # the first one included; with the SDK's jittered pause in between


def s3_session() -> AioSession:
    """Clients of one session share the description of S3's calls, some 15 MiB of memory."""
    session = get_session()
    session.set_config_variable("profile", None)
    return session


def s3_client(
    store: ObjectStore,
    credential: Credential,
    *,
    session: AioSession | None = None,
    read_seconds: float = READ_SECONDS,
) -> AbstractAsyncContextManager[Any]:
    session = session or s3_session()
    context: AbstractAsyncContextManager[Any] = session.create_client(
        "s3",
        endpoint_url=store.endpoint,
        region_name=store.region,
        aws_access_key_id=credential.access_key,
        aws_secret_access_key=credential.secret_key,
        verify=store.ca or None,
        config=AioConfig(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            max_pool_connections=POOL,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            s3={"addressing_style": "path"},
            proxies={},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    return context
