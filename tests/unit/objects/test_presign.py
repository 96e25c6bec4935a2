"""The presigner against botocore's own, and what it refuses to sign."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone
from time import process_time
from unittest.mock import patch
from urllib.parse import parse_qs, quote, urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from appliance.objects.presign import MAX_PUT, Presigner
from appliance.settings import Credential

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIGEST = bytes(range(32))

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=3, max_size=20)
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
endpoints = st.sampled_from(
    [
        "http://127.0.0.1:18333",
        "https://localhost:8444",
        "https://localhost:443",
        "http://store:80",
        "https://upload.example.org",
        "https://[::1]:8444",
    ]
)
object_keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
times = st.datetimes(datetime(2025, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


def by_botocore(*, endpoint, region, bucket, credential, key, params, digest, length, now, expires):
    request = AWSRequest(
        method="PUT",
        url=f"{endpoint}/{bucket}/{quote(key, safe='/-._~')}",
        params=params,
        headers={
            "Content-Length": str(length),
            "X-Amz-Checksum-SHA256": b64encode(digest).decode(),
        },
    )
    who = Credentials(credential.access_key, credential.secret_key)
    with patch.object(botocore.auth, "get_current_datetime", lambda: now):
        S3SigV4QueryAuth(who, "s3", region, int(expires.total_seconds())).add_auth(request)
    return request.url


def same_request(ours: str, theirs: str) -> None:
    a, b = urlsplit(ours), urlsplit(theirs)
    assert (a.scheme, a.netloc, a.path) == (b.scheme, b.netloc, b.path)
    assert parse_qs(a.query, strict_parsing=True) == parse_qs(b.query, strict_parsing=True)


@given(
    endpoint=endpoints,
    region=names,
    bucket=names,
    access=names,
    secret=secrets,
    key=object_keys,
    digest=st.binary(min_size=32, max_size=32),
    length=st.integers(1, MAX_PUT),
    now=times,
    expires=st.integers(1, 604800).map(lambda seconds: timedelta(seconds=seconds)),
    part=st.none() | st.tuples(secrets, st.integers(1, 10_000)),
)
def test_same_signature_as_botocore(
    *, endpoint, region, bucket, access, secret, key, digest, length, now, expires, part
):
    credential = Credential(access, secret)
    presigner = Presigner(endpoint, region, bucket, credential)
    if part is None:
        params = {}
        ours = presigner.put_url(key, digest, length, now=now, expires=expires)
    else:
        params = {"uploadId": part[0], "partNumber": str(part[1])}
        ours = presigner.part_url(key, part[0], part[1], digest, length, now=now, expires=expires)
    theirs = by_botocore(
        endpoint=endpoint,
        region=region,
        bucket=bucket,
        credential=credential,
        key=key,
        params=params,
        digest=digest,
        length=length,
        now=now,
        expires=expires,
    )
    same_request(ours.url, theirs)
    assert ours.headers["content-length"] == str(length)
    assert ours.headers["x-amz-checksum-sha256"] == b64encode(digest).decode()


def presigner() -> Presigner:
    return Presigner("https://localhost:8444", "us-east-1", "stowbay", Credential("signer", "s"))


@given(st.lists(times, min_size=2, max_size=6), st.integers(1, 604800))
def test_what_is_kept_between_urls_changes_no_url(moments, seconds):
    kept = presigner()
    for now in moments:
        expires = timedelta(seconds=seconds)
        assert kept.put_url("k", DIGEST, 1, now=now, expires=expires) == presigner().put_url(
            "k", DIGEST, 1, now=now, expires=expires
        )


def test_every_url_signs_length_and_sha256():
    for put in (
        presigner().put_url("k", DIGEST, 7, now=NOW, expires=HOUR),
        presigner().part_url("k", "u", 1, DIGEST, 7, now=NOW, expires=HOUR),
    ):
        signed = parse_qs(urlsplit(put.url).query)["X-Amz-SignedHeaders"]
        assert signed == ["content-length;host;x-amz-checksum-sha256"]


def test_any_zone_gives_the_same_url():
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    ours = presigner().put_url("k", DIGEST, 1, now=NOW, expires=HOUR)
    assert presigner().put_url("k", DIGEST, 1, now=there, expires=HOUR) == ours


@pytest.mark.parametrize(
    ("digest", "length", "expires", "now", "why"),
    [
        (b"", 1, HOUR, NOW, "SHA-256"),
        (DIGEST + b"x", 1, HOUR, NOW, "SHA-256"),
        (DIGEST, 0, HOUR, NOW, "empty"),
        (DIGEST, -1, HOUR, NOW, "empty"),
        (DIGEST, MAX_PUT + 1, HOUR, NOW, "5 GiB"),
        (DIGEST, 1, timedelta(0), NOW, "7 days"),
        (DIGEST, 1, timedelta(days=7, seconds=1), NOW, "7 days"),
        (DIGEST, 1, HOUR, NOW.replace(tzinfo=None), "zone"),
    ],
)
def test_what_is_never_signed(digest, length, expires, now, why):
    with pytest.raises(ValueError, match=why):
        presigner().put_url("k", digest, length, now=now, expires=expires)


@pytest.mark.parametrize(("upload", "number"), [("u", 0), ("u", 10_001), ("", 1)])
def test_no_url_for_what_is_no_part(upload, number):
    with pytest.raises(ValueError, match="part"):
        presigner().part_url("k", upload, number, DIGEST, 1, now=NOW, expires=HOUR)


@pytest.mark.parametrize("endpoint", ["localhost:8444", "https://host/path", "ftp://host"])
def test_no_presigner_for_what_is_no_endpoint(endpoint):
    with pytest.raises(ValueError, match="endpoint"):
        Presigner(endpoint, "us-east-1", "stowbay", Credential("a", "b"))


def test_a_thousand_urls_cost_milliseconds():
    """About 10 µs each here; the bound only catches a kept value that is made anew each time."""
    signer = presigner()

    def thousand() -> float:
        start = process_time()
        for number in range(1, 1001):
            signer.part_url("k" * 60, "u" * 100, number, DIGEST, 7 << 20, now=NOW, expires=HOUR)
        return process_time() - start

    assert min(thousand() for _ in range(5)) < 0.05
