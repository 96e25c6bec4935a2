"""Redis on the GET path: fast with it, right without it, and nothing revoked comes back."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import ClientSession

from .conftest import NewUser, User, sign_in
from .running import Gateway, Site


async def _lookups(gateway: Gateway, http: ClientSession) -> dict[str, float]:
    text = await (await http.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics")).text()
    lines = [line for line in text.splitlines() if line.startswith("stowbay_cache_lookups_total{")]
    return {line.split('"')[1]: float(line.split()[1]) for line in lines}


async def test_a_stat_is_answered_from_the_cache(
    gateway: Gateway, user: User, http: ClientSession
) -> None:
    first = await user.get(f"/nodes/{user.root}")
    before = await _lookups(gateway, http)
    assert await user.get(f"/nodes/{user.root}") == first
    after = await _lookups(gateway, http)
    assert (after["hit"] - before["hit"], after["miss"] - before["miss"]) == (2, 0)


async def test_one_sees_what_one_wrote(user: User) -> None:
    folder = await user.folder("a")
    for number in range(20):
        await user.get(f"/nodes/{folder}")
        answer, _ = await user.send("PATCH", f"/nodes/{folder}", json={"name": f"a{number}"})
        seq = answer.headers["Stowbay-Seq"]
        found = await user.get(f"/nodes/{folder}", headers={"Stowbay-Seq": seq})
        assert found["name"] == f"a{number}"


async def test_what_lies_below_a_trashed_folder_is_trashed(user: User) -> None:
    outer = await user.folder("outer")
    inner = await user.folder("inner", outer)
    assert (await user.get(f"/nodes/{inner}"))["trashed"] is False
    answer, _ = await user.send("DELETE", f"/nodes/{outer}")
    assert answer.status == 200
    assert (await user.get(f"/nodes/{inner}"))["trashed"] is True
    await user.post(f"/nodes/{outer}/restore", {})
    assert (await user.get(f"/nodes/{inner}"))["trashed"] is False
    answer, _ = await user.send("DELETE", f"/nodes/{outer}?permanent=true")
    assert answer.status == 204
    await user.get(f"/nodes/{inner}", 404)


async def test_a_stranger_gets_nothing_from_the_cache(user: User, new_user: NewUser) -> None:
    other = await new_user()
    await user.get(f"/nodes/{user.root}")
    mine, theirs = user.root, other.root
    problem = await other.get(f"/nodes/{mine}", 404)
    absent = await other.get(f"/nodes/{theirs[:-2]}ZA", 404)
    assert problem["code"] == absent["code"] == "not-found"
    assert problem["detail"] == absent["detail"]


async def test_a_revoked_session_ends_at_once(
    gateway: Gateway, user: User, http: ClientSession
) -> None:
    other = await sign_in(http, gateway, user.login, user.password)
    await other.get(f"/nodes/{other.root}")
    answer, _ = await other.send("DELETE", "/session")
    assert answer.status == 204
    await other.get(f"/nodes/{other.root}", 401)
    await user.get(f"/nodes/{user.root}")


async def test_nothing_revoked_comes_back_whatever_redis_does(
    around: Site, gateway: Gateway, user: User, http: ClientSession
) -> None:
    redis = around.redis
    folder = await user.folder("before")
    victim = await sign_in(http, gateway, user.login, user.password)
    await victim.get(f"/nodes/{folder}")
    redis.plain().save()
    redis.stop(signal.SIGKILL)

    await user.send("PATCH", f"/nodes/{folder}", json={"name": "after"})
    await victim.send("DELETE", "/session")
    await victim.get("/account", 401)
    assert (await user.get(f"/nodes/{folder}"))["name"] == "after"

    redis.start()
    for _ in range(30):
        await victim.get("/account", 401)
        await victim.get(f"/nodes/{folder}", 401)
        assert (await user.get(f"/nodes/{folder}"))["name"] == "after"
        await asyncio.sleep(0.05)

    redis.freeze()
    try:
        second = await sign_in(http, gateway, user.login, user.password)
        await second.get(f"/nodes/{folder}")
        await second.send("DELETE", "/session")
        await second.get("/account", 401)
    finally:
        redis.thaw()
    for _ in range(30):
        await second.get("/account", 401)
        await asyncio.sleep(0.05)
    redis.plain().flushall()
    await second.get("/account", 401)
    assert (await user.get(f"/nodes/{folder}"))["name"] == "after"


async def test_a_token_that_is_revoked_while_it_waits_hears_no_news(
    gateway: Gateway, user: User, http: ClientSession
) -> None:
    other = await sign_in(http, gateway, user.login, user.password)
    cursor = (await user.get(f"/spaces/{user.space}/changes"))["cursor"]
    place = f"/spaces/{user.space}/changes?wait=20&cursor={cursor}"
    poll = asyncio.create_task(user.send("GET", place))
    await asyncio.sleep(0.5)
    assert (await user.send("DELETE", "/session"))[0].status == 204
    await other.folder("secret")
    async with asyncio.timeout(10):
        answer, problem = await poll
    assert (answer.status, problem["code"]) == (401, "unauthorized")
