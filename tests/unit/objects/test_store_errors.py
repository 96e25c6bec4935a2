"""Answers of the stores, as botocore hands them out, and what becomes of each."""

from __future__ import annotations

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from appliance.domain.errors import Problem, StoreFull, StoreUnavailable
from appliance.objects.errors import (
    InvalidParts,
    NoSuchObject,
    NoSuchUpload,
    store_errors,
    translated,
)


def answer(code: str, status: int, message: str = "") -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "AnyCall",
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answer("XMinioServerNotInitialized", 503), StoreUnavailable),
        (answer("SlowDown", 503), StoreUnavailable),
        (answer("InternalError", 500), StoreUnavailable),
        (answer("RequestTimeTooSkewed", 403), StoreUnavailable),
        (answer("AccessDenied", 403), StoreUnavailable),
        (answer("SignatureDoesNotMatch", 403), StoreUnavailable),
        (answer("NoSuchBucket", 404), StoreUnavailable),
        (answer("SomethingNew", 418), StoreUnavailable),
        (EndpointConnectionError(endpoint_url="http://10.0.0.1:9000"), StoreUnavailable),
        (ConnectTimeoutError(endpoint_url="http://10.0.0.1:9000"), StoreUnavailable),
        (ReadTimeoutError(endpoint_url="http://10.0.0.1:9000"), StoreUnavailable),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnavailable),
        (aiohttp.ClientPayloadError("cut off"), StoreUnavailable),
        (TimeoutError(), StoreUnavailable),
        (ConnectionResetError(), StoreUnavailable),
        (answer("XMinioStorageFull", 507), StoreFull),
        (answer("XMinioAdminBucketQuotaExceeded", 400), StoreFull),
        (answer("InternalError", 500, "cause(no space left on device)"), StoreFull),
        (answer("AnyName", 507), StoreFull),
        (answer("NoSuchUpload", 404), NoSuchUpload),
        (answer("InvalidPart", 400), InvalidParts),
        (answer("InvalidPartOrder", 400), InvalidParts),
        (answer("EntityTooSmall", 400), InvalidParts),
        (answer("NoSuchKey", 404), NoSuchObject),
        (answer("404", 404), NoSuchObject),
    ],
)
def test_each_answer_becomes_one_of_ours(error, expected):
    problem = translated(error)
    assert type(problem) is expected
    assert "10.0.0.1" not in str(problem)
    if isinstance(problem, (StoreUnavailable, StoreFull)):
        assert problem.retry_after
        assert problem.retry_after > 0


def test_what_a_service_must_handle_has_no_code_of_its_own():
    for problem in (NoSuchUpload(), NoSuchObject(), InvalidParts("EntityTooSmall")):
        assert problem.code == Problem.code
    assert InvalidParts("EntityTooSmall").reason == "EntityTooSmall"


def test_the_vendors_words_are_kept_for_the_log():
    cause = answer("SlowDown", 503, "at 10.0.0.1")
    with pytest.raises(StoreUnavailable) as raised, store_errors():
        raise cause
    assert raised.value.__cause__ is cause


def test_our_own_mistakes_pass_through():
    with pytest.raises(KeyError), store_errors():
        raise KeyError("ours")
