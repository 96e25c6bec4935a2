"""Runs on a gateway's host, in its release: does a PUT through the edge obey x-amz-copy-source?

Prints what the store then holds under the name that was written: `sent` or `copied`. Two small
objects are made, of a space that doesn't exist, and removed.
"""

import asyncio
import hashlib
import secrets
import ssl
import sys
import urllib.request
from datetime import UTC, datetime, timedelta

from appliance import settings
from appliance.objects.connection import s3_client
from appliance.objects.control import ObjectControl
from appliance.objects.keys import single_key
from appliance.objects.presign import Presigner


async def main(authority: str) -> None:
    config = settings.load("/etc/stowbay/stowbay.json")
    store = config.store
    presigner = Presigner(config.upload_url, store.region, store.bucket, store.signer)
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=authority)
    space = secrets.randbits(62) + 1
    keys = [single_key(space, secrets.token_bytes(16)) for _ in range(2)]

    def put(key: str, body: bytes, **more: str) -> None:
        digest = hashlib.sha256(body).digest()
        made = presigner.put_url(
            key, digest, len(body), now=datetime.now(UTC), expires=timedelta(minutes=5)
        )
        call = urllib.request.Request(made.url, body, {**made.headers, **more}, method="PUT")
        with urllib.request.urlopen(call, context=context, timeout=30) as answer:
            assert answer.status == 200

    async with ObjectControl(store) as control, s3_client(store, store.scrub) as reader:
        try:
            await asyncio.to_thread(put, keys[0], b"copied")
            source = {"x-amz-copy-source": f"/{store.bucket}/{keys[0]}"}
            await asyncio.to_thread(put, keys[1], b"sent", **source)
            held = await reader.get_object(Bucket=store.bucket, Key=keys[1])
            sys.stdout.write((await held["Body"].read()).decode())
        finally:
            for key in keys:
                await control.delete(key)


asyncio.run(main(sys.argv[1]))
