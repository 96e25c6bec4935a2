"""The test aid that kills a process between two steps of an upload, and what is there after it."""

from __future__ import annotations

import signal

import aiohttp
import pytest
from aiohttp import ClientSession

from .conftest import User, sign_in
from .running import Gateway, Site, free_port
from .test_every_route import _chunk_list


async def test_a_crash_after_the_row_is_resumed(
    around: Site, user: User, http: ClientSession
) -> None:
    body = {"uploads": [_chunk_list(b"x" * 4000)]}
    doomed = Gateway(around, metrics_port=free_port(), STOWBAY_CRASH_AT="row-written")
    there = await sign_in(http, doomed, user.login, user.password)
    with pytest.raises(aiohttp.ClientError):
        await there.post(f"/spaces/{user.space}/uploads", body)
    assert doomed.process.wait(10) == -signal.SIGKILL
    (item,) = (await user.post(f"/spaces/{user.space}/uploads", body))["items"]
    assert item["status"] == "resume"
    assert item["urls"]
