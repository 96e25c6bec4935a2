"""Runs on a host, in the release's Python: test_objectstore.py sends it there, and its arguments.

These come as JSON by standard input: endpoint, ca, region, bucket, credentials
{role: [access key, secret key]}, act. Prints JSON.
"""

import io
import json
import secrets
import ssl
import sys
import urllib.request

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error

ARGS = json.load(sys.stdin)
HOST = ARGS["endpoint"].removeprefix("https://")
BUCKET = ARGS["bucket"]


def pool(**headers):
    return urllib3.PoolManager(ca_certs=ARGS["ca"], retries=False, headers=headers, timeout=20)


class Forwarded(urllib3.PoolManager):
    """Says that it speaks for an address that is no edge."""

    def urlopen(self, method, url, redirect=True, **kw):
        kw["headers"] = {**dict(kw.get("headers") or {}), "X-Forwarded-For": "192.0.2.1"}
        return super().urlopen(method, url, redirect=redirect, **kw)


def client(role, manager=None):
    access, secret = ARGS["credentials"][role]
    return Minio(HOST, access, secret, region=ARGS["region"], http_client=manager or pool())


def outcome(work):
    try:
        work()
    except S3Error as error:
        return error.code
    except MinioAdminException as error:
        return str(error._code)
    return "allowed"


def admin():
    """Each credential at the admin API, which is on the same port as S3."""
    found = {}
    for role, (access, secret) in ARGS["credentials"].items():
        asked = MinioAdmin(
            endpoint=HOST,
            credentials=StaticProvider(access, secret),
            region=ARGS["region"],
            http_client=pool(),
        )
        found[role] = [outcome(asked.info), outcome(asked.user_list), outcome(asked.policy_list)]
    return found


def rights():
    """Each credential at S3; `key` is written by control first."""
    key = f"blobs/{'0' * 15}1/{secrets.token_hex(16)}"
    control = client("control")
    control.put_object(BUCKET, key, io.BytesIO(b"probe"), 5)
    found = {}
    for role in ARGS["credentials"]:
        one = client(role)
        found[role] = {
            "list": outcome(lambda one=one: list(one.list_objects(BUCKET, "blobs/"))),
            "get": outcome(lambda one=one: one.get_object(BUCKET, key).read()),
            "put": outcome(lambda one=one: one.put_object(BUCKET, key + "a", io.BytesIO(b"x"), 1)),
            "put outside": outcome(
                lambda one=one: one.put_object(BUCKET, "elsewhere", io.BytesIO(b"x"), 1)
            ),
            "encryption": outcome(lambda one=one: one.delete_bucket_encryption(BUCKET)),
            "delete": outcome(lambda one=one, role=role: one.remove_object(BUCKET, key + role)),
        }
    away = client("edge", Forwarded(ca_certs=ARGS["ca"], retries=False))
    found["edge from elsewhere"] = outcome(lambda: away.get_object(BUCKET, key).read())
    for name in (key, key + "a"):
        control.remove_object(BUCKET, name)
    return found


def store():
    """A small object (kept beside its metadata) and a large one (spread over drives), both kept."""
    marker = secrets.token_hex(24)
    control, kept = client("control"), []
    for size in (2_000, 3_000_000):
        key = f"blobs/{'0' * 15}1/{secrets.token_hex(16)}"
        body = (marker.encode() * (size // 48 + 1))[:size]
        control.put_object(BUCKET, key, io.BytesIO(body), size)
        told = control.stat_object(BUCKET, key)
        kept.append([key, told.metadata.get("x-amz-server-side-encryption")])
    return {"marker": marker, "objects": kept}


def remove():
    for key in ARGS["keys"]:
        client("control").remove_object(BUCKET, key)


def anonymous():
    """Statuses of what nobody in particular asks."""
    context, found = ssl.create_default_context(cafile=ARGS["ca"]), {}
    for path in ARGS["paths"]:
        asked = urllib.request.Request(
            ARGS["endpoint"] + path, headers={"User-Agent": "Mozilla/5.0"}
        )
        try:
            with urllib.request.urlopen(asked, context=context, timeout=10) as answer:
                found[path] = [answer.status, answer.geturl()]
        except urllib.error.HTTPError as error:
            found[path] = [error.code, error.geturl()]
    return found


print(json.dumps(globals()[ARGS["act"]]()))
