"""Where the vendor's errors end.

    answer of the store                                     raised here
    no connection, time-out, cut off, 5xx, SlowDown,
    XMinioServerNotInitialized, clocks apart, a refusal     StoreUnavailable   (domain)
    XMinioStorageFull, a bucket quota, 507,
    500 "no space left on device" (MinIO at the last byte)  StoreFull          (domain)
    NoSuchUpload                                            NoSuchUpload
    InvalidPart, InvalidPartOrder, EntityTooSmall           InvalidParts
    NoSuchKey, 404                                          NoSuchObject

The three last ones are answers to a service, which decides what they mean for the request; they
keep the code "internal", because one that gets past the service is a mistake of ours.
A refusal (AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch) means that the store or our
settings are not ready; the same request is right once they are, so it isn't the asker's problem.
The vendor's words stay in `__cause__` for the log: they name inner addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from appliance.domain.errors import Problem, StoreFull, StoreUnavailable

__all__ = [
    "InvalidParts",
    "NoSuchObject",
    "NoSuchUpload",
    "StoreFull",
    "StoreUnavailable",
    "store_errors",
    "translated",
]

RETRY_SOON = 2.0  # seconds: a store that starts or is busy
RETRY_LATER = 60.0  # seconds: what an operator has to see to

_FULL = frozenset({"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"})
_NO_SPACE = "no space left"
_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_REFUSED = frozenset(
    {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}
)


class NoSuchUpload(Problem):
    """Completed, aborted, expired or never begun: HEAD tells which of them left an object."""

    title: ClassVar[str] = "The store knows no such upload"


class NoSuchObject(Problem):
    title: ClassVar[str] = "The store has no such object"


class InvalidParts(Problem):
    """`reason` is the store's code; the upload is unchanged and may be completed otherwise."""

    title: ClassVar[str] = "The store won't make an object of these parts"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the store answered {reason}")
        self.reason = reason


def translated(error: Exception) -> Problem:
    """Our error for one of the vendor's; what isn't known is the store's fault until proven."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, (BotoConnectionError, HTTPClientError, aiohttp.ClientError, OSError)):
        return StoreUnavailable("no answer from the object store", retry_after=RETRY_SOON)
    return StoreUnavailable("the object store's answer makes no sense", retry_after=RETRY_LATER)


def _of_answer(error: ClientError) -> Problem:
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchUpload":
        return NoSuchUpload()
    if code in _PARTS:
        return InvalidParts(code)
    if code in _FULL or status == 507 or _NO_SPACE in message:
        return StoreFull("no object can be stored until there is room", retry_after=RETRY_LATER)
    if code in _REFUSED:
        return StoreUnavailable("the object store refuses this service", retry_after=RETRY_LATER)
    if code in _MISSING:
        return NoSuchObject()
    return StoreUnavailable("the object store can't do this now", retry_after=RETRY_SOON)


@contextmanager
def store_errors() -> Iterator[None]:
    """Around every call of the vendor's client, and around every read of a body."""
    try:
        yield
    except (ClientError, BotoCoreError, aiohttp.ClientError, OSError) as error:
        raise translated(error) from error
