"""Making the store ready, with the root credential: bucket, encryption at rest, the five users.

Everything here may be run again at any time and ends in the same state; a user whose secret has
changed gets the new one. A user of an earlier access key is left alone, so that processes that
still hold it go on working through a rotation: `retire` takes it away afterwards.
SeaweedFS reads users and policies from its configuration file (policies.seaweed_identities),
so here it only gets the bucket and its encryption.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3
from minio import Minio, MinioAdmin
from minio.commonconfig import Tags
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from minio.sseconfig import Rule, SSEConfig

from appliance.domain.errors import StoreUnavailable
from appliance.objects.plan import StorePlan, fingerprint
from appliance.objects.policies import ROLES, policy, seaweed_identities
from appliance.settings import Credential

__all__ = ["follow", "is_followed", "provision", "retire", "seaweed_identities"]

_RETRY_SOON = 2.0
_TAG = "stowbay-provisioned"
# What a store says that hasn't got the bucket, the tag or the user yet.
_NOT_YET = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket", "NoSuchTagSet"}
)


def follow(plan: StorePlan) -> None:
    """Bring the store to the plan, and write its fingerprint there last. Needs root switched on.

    SeaweedFS must have read its file of identities before (policies.seaweed_identities).
    """
    provision(
        plan.kind,
        plan.endpoint,
        plan.region,
        plan.bucket,
        root=plan.root,
        credentials=plan.credentials,
        edge_sources=plan.edge_sources,
        ca=plan.ca,
    )
    for access_key in plan.retired if plan.kind == "minio" else ():
        retire(plan.endpoint, plan.region, plan.root, access_key, ca=plan.ca)
    tags = Tags.new_bucket_tags()
    tags[_TAG] = fingerprint(plan)
    with _pool(plan.ca) as pool, _store_errors():
        _client(plan.endpoint, plan.region, plan.root, pool).set_bucket_tags(plan.bucket, tags)


def is_followed(plan: StorePlan) -> bool:
    """Whether `follow` has run for just this plan; asked with the scrub credential."""
    with _pool(plan.ca) as pool, _store_errors():
        client = _client(plan.endpoint, plan.region, plan.credentials["scrub"], pool)
        try:
            tags = client.get_bucket_tags(plan.bucket)
        except S3Error as error:
            if error.code in _NOT_YET:
                return False
            raise
        return tags is not None and tags.get(_TAG) == fingerprint(plan)


def provision(
    kind: str,
    endpoint: str,
    region: str,
    bucket: str,
    *,
    root: Credential,
    credentials: Mapping[str, Credential],
    edge_sources: Sequence[str] = (),
    ca: str = "",
) -> None:
    """`credentials` by role; `ca` is the path of the authority that an https store is checked by.

    StoreUnavailable while the store doesn't answer: try again.

    Ends with a read of the encryption rule: a store that silently ignores it is not used.
    """
    missing = set(ROLES) - set(credentials)
    if missing:
        raise ValueError(f"no credential for {', '.join(sorted(missing))}")
    with _pool(ca) as pool, _store_errors():
        client = _client(endpoint, region, root, pool)
        _bucket(client, bucket, region)
        client.set_bucket_encryption(bucket, SSEConfig(Rule.new_sse_s3_rule()))
        chosen = client.get_bucket_encryption(bucket)
        if chosen is None or chosen.rule.sse_algorithm != "AES256":
            raise StoreUnavailable("the bucket takes no encryption at rest", retry_after=60.0)
        if kind == "minio":
            admin = _admin(endpoint, region, root, pool)
            for role in ROLES:
                sources = edge_sources if role == "edge" else ()
                document = policy(role, bucket, kind=kind, sources=sources)
                _user(admin, role, credentials[role], document)


def retire(endpoint: str, region: str, root: Credential, access_key: str, *, ca: str = "") -> None:
    """Take away a MinIO user of an earlier rotation; nothing happens when it is gone already."""
    with _pool(ca) as pool, _store_errors():
        admin = _admin(endpoint, region, root, pool)
        if access_key in json.loads(admin.user_list() or "{}"):
            admin.user_remove(access_key)


def _bucket(client: Minio, bucket: str, region: str) -> None:
    if client.bucket_exists(bucket):
        return
    try:
        client.make_bucket(bucket, location=region)
    except S3Error as error:
        if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise


def _user(
    admin: MinioAdmin, role: str, credential: Credential, document: dict[str, object]
) -> None:
    name = f"stowbay-{role}"
    admin.policy_add(name, policy=document)
    admin.user_add(credential.access_key, credential.secret_key)
    # Sets the whole list of policies, so a right that was once added by hand is gone again.
    admin.policy_set(name, user=credential.access_key)


def _client(endpoint: str, region: str, credential: Credential, pool: urllib3.PoolManager) -> Minio:
    place = urlsplit(endpoint)
    return Minio(
        endpoint=place.netloc,
        access_key=credential.access_key,
        secret_key=credential.secret_key,
        region=region,
        secure=place.scheme == "https",
        http_client=pool,
    )


def _admin(endpoint: str, region: str, root: Credential, pool: urllib3.PoolManager) -> MinioAdmin:
    place = urlsplit(endpoint)
    return MinioAdmin(
        endpoint=place.netloc,
        credentials=StaticProvider(root.access_key, root.secret_key),
        region=region,
        secure=place.scheme == "https",
        http_client=pool,
    )


@contextmanager
def _pool(ca: str) -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(
        ca_certs=ca or None,
        timeout=urllib3.Timeout(connect=5, read=30),
        retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    try:
        yield pool
    finally:
        pool.clear()


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (MinioException, MinioAdminException, urllib3.exceptions.HTTPError, OSError) as error:
        raise StoreUnavailable(
            "the object store couldn't be made ready", retry_after=_RETRY_SOON
        ) from error
