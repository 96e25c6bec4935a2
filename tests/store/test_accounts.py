"""Accounts on one database and on two: a user, its login and its space have keys of their own."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator

import pytest

from appliance.cache.connection import Link
from appliance.cache.metadata import MetadataCache
from appliance.domain.errors import (
    BadRequest,
    Conflict,
    NotFound,
    Suspended,
    TooManyAttempts,
    Unauthorized,
)
from appliance.domain.ids import IdMaker, Token, decode_key
from appliance.services.accounts import Accounts
from appliance.services.logins import Login
from appliance.services.passwords import Passwords
from appliance.services.users import Users
from appliance.settings import Limits
from appliance.store import accounts as rows
from appliance.store import spaces
from appliance.store.pools import Stores
from appliance.store.routing import buckets
from appliance.wire.accounts import NewPassword, SignIn

from .conftest import MovableClock

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    found = Passwords()
    yield found
    found.close()


@pytest.fixture
def parts(
    stores: Stores, clock: MovableClock, ids_of_session: IdMaker, passwords: Passwords
) -> dict[str, object]:
    return {
        "stores": stores,
        "cache": MetadataCache(Link(None, monotonic=time.monotonic)),
        "clock": clock,
        "randbits": secrets.randbits,
        "passwords": passwords,
        "limits": Limits(signin_attempts=3, signin_window_seconds=60),
    }


@pytest.fixture
def accounts(parts: dict[str, object]) -> Accounts:
    return Accounts(**parts)


@pytest.fixture
def users(parts: dict[str, object], ids_of_session: IdMaker) -> Users:
    return Users(ids=ids_of_session, **parts)


def _login() -> str:
    return f"Ada-{secrets.token_hex(6)}@example.org"


async def _sign_in(accounts: Accounts, login: str, password: str = PASSWORD):
    return await accounts.sign_in(SignIn(login=login, password=password, device="desk"))


async def test_a_user_signs_in_whatever_the_case_and_has_a_space(accounts, users, stores) -> None:
    login = _login()
    added = await users.add(login, PASSWORD, quota=5000)
    session = await _sign_in(accounts, login.upper())
    caller = await accounts.authenticate(session.token)
    assert (caller.login, caller.device, caller.role) == (login, "desk", "user")
    assert caller.space_id == added.space_id == decode_key("s", session.account.space)
    async with stores.tx(caller.space_id) as conn:
        space = await (await spaces.space(conn, caller.space_id)).fetchone()
    assert space is not None
    assert (space.owner_user_id, space.quota_bytes) == (caller.user_id, 5000)
    assert login in [info.login for info in await users.list()]


async def test_the_token_itself_is_nowhere_in_the_database(accounts, users, stores) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    token = Token.parse((await _sign_in(accounts, login)).token)
    async with stores.tx(token.user_id) as conn:
        row = await (
            await conn.execute(
                "select secret_hash from tokens where user_id = %s and token_id = %s",
                (token.user_id, token.token_id),
            )
        ).fetchone()
    assert row.secret_hash == token.hash()
    assert token.secret not in row.secret_hash


@pytest.mark.parametrize("login", ["", "two words", "line\nbreak", "x\u202ey"])
async def test_a_login_that_people_could_confuse_is_refused(users, login) -> None:
    with pytest.raises(BadRequest):
        await users.add(login, PASSWORD)


async def test_a_short_password_is_refused_and_claims_nothing(users) -> None:
    login = _login()
    with pytest.raises(BadRequest):
        await users.add(login, "short")
    await users.add(login, PASSWORD)


async def test_a_login_belongs_to_one_of_many_who_want_it_at_once(users) -> None:
    login = _login()
    results = await asyncio.gather(
        *(users.add(login, PASSWORD) for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(r, Conflict) for r in results if isinstance(r, BaseException))


async def test_adding_a_user_is_finished_after_a_crash_between_its_keys(
    users, accounts, stores, clock
) -> None:
    """Claimed login, no user: the next attempt takes the claim over. No space: the outbox."""
    text = _login()
    login = Login.of(text)
    claimed = secrets.randbits(62) | 1
    await stores.run(
        login.key,
        lambda conn: rows.claim_login(
            conn, login.key, login.folded, login.typed, claimed, clock.now()
        ),
    )
    with pytest.raises(NotFound):
        await users.find(text)
    added = await users.add(text, PASSWORD)
    assert added.user_id == claimed

    space_id, outbox_id = secrets.randbits(62) | 1, secrets.randbits(62) | 1
    payload = {"owner": claimed, "quota": 77}
    await stores.run(
        claimed,
        lambda conn: rows.add_outbox(
            conn, claimed, outbox_id, "make-space", space_id, payload, clock.now()
        ),
    )
    due = []
    for first, last in buckets():
        async with stores.tx(first) as conn:
            due += await rows.due_outbox(conn, first, last, 100)
    mine = next(row for row in due if row.outbox_id == outbox_id)
    for _ in range(2):
        await users.apply_outbox(mine)
    async with stores.tx(space_id) as conn:
        space = await (await spaces.space(conn, space_id)).fetchone()
    assert space is not None
    assert space.quota_bytes == 77


async def test_wrong_password_and_unknown_login_look_the_same(accounts, users) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    with pytest.raises(Unauthorized) as wrong:
        await _sign_in(accounts, login, "not the password")
    with pytest.raises(Unauthorized) as unknown:
        await _sign_in(accounts, _login())
    assert str(wrong.value) == str(unknown.value)


async def test_attempts_are_limited_per_account_also_many_at_once(accounts, users, clock) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    tries = [_sign_in(accounts, login, "wrong") for _ in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results].count(Unauthorized) == 3
    with pytest.raises(TooManyAttempts) as refused:
        await _sign_in(accounts, login)
    assert 0 < refused.value.retry_after <= 60
    clock.forward(seconds=61)
    await _sign_in(accounts, login)


async def test_a_success_clears_the_count(accounts, users) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                await _sign_in(accounts, login, "wrong")
        await _sign_in(accounts, login)


async def test_a_forged_secret_is_refused(accounts, users) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    token = Token.parse((await _sign_in(accounts, login)).token)
    forged = Token(token.user_id, token.token_id, bytes(24))
    with pytest.raises(Unauthorized):
        await accounts.authenticate(forged.format())


async def test_devices_are_listed_and_revoked_one_by_one(accounts, users) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    first, second = [await _sign_in(accounts, login) for _ in range(2)]
    caller = await accounts.authenticate(first.token)
    listed = (await accounts.devices(caller)).items
    assert {device.id for device in listed} == {first.device_id, second.device_id}
    assert [device.id for device in listed if device.current] == [first.device_id]
    await accounts.revoke(caller, decode_key("p", second.device_id))
    with pytest.raises(Unauthorized):
        await accounts.authenticate(second.token)
    with pytest.raises(NotFound):
        await accounts.revoke(caller, decode_key("p", second.device_id))
    await accounts.sign_out(caller)
    with pytest.raises(Unauthorized):
        await accounts.authenticate(first.token)


async def test_tokens_end(accounts, users, clock) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    session = await _sign_in(accounts, login)
    clock.forward(days=91)
    with pytest.raises(Unauthorized):
        await accounts.authenticate(session.token)


async def test_a_new_password_keeps_this_device_and_signs_out_the_others(accounts, users) -> None:
    login, new = _login(), "another good password"
    await users.add(login, PASSWORD)
    here, there = [await _sign_in(accounts, login) for _ in range(2)]
    caller = await accounts.authenticate(here.token)
    with pytest.raises(Unauthorized):
        await accounts.change_password(caller, NewPassword(old="wrong", new=new))
    with pytest.raises(BadRequest):
        await accounts.change_password(caller, NewPassword(old=PASSWORD, new="short"))
    await accounts.change_password(caller, NewPassword(old=PASSWORD, new=new))
    await accounts.authenticate(here.token)
    with pytest.raises(Unauthorized):
        await accounts.authenticate(there.token)
    await _sign_in(accounts, login, new)


async def test_suspended_at_once_and_resumed(accounts, users) -> None:
    login = _login()
    await users.add(login, PASSWORD)
    session = await _sign_in(accounts, login)
    await users.suspend(login)
    with pytest.raises(Suspended):
        await accounts.authenticate(session.token)
    with pytest.raises(Suspended):
        await _sign_in(accounts, login)
    await users.suspend(login, resume=True)
    await accounts.authenticate(session.token)


async def test_the_operator_sets_password_and_quota(accounts, users) -> None:
    login, new = _login(), "set by the operator"
    await users.add(login, PASSWORD)
    session = await _sign_in(accounts, login)
    await users.set_password(login, new)
    with pytest.raises(Unauthorized):
        await accounts.authenticate(session.token)
    await _sign_in(accounts, login, new)
    assert (await users.quota(login, 123)).quota_bytes == 123
    with pytest.raises(NotFound):
        await users.quota("nobody-here", 123)


async def test_the_operator_sets_how_many_versions_a_space_keeps(users, stores) -> None:
    login = _login()
    added = await users.add(login, PASSWORD)
    assert added.versions_kept == Limits().versions_kept
    assert (await users.versions(login, 3)).versions_kept == 3
    async with stores.tx(added.space_id) as conn:
        space = await (await spaces.space(conn, added.space_id)).fetchone()
    assert space is not None
    assert (space.versions_kept, space.quota_bytes) == (3, added.quota_bytes)
    for refused in (0, -1, 1 << 31):
        with pytest.raises(BadRequest):
            await users.versions(login, refused)
    with pytest.raises(NotFound):
        await users.versions("nobody-here", 3)
    assert (await users.find(login)).versions_kept == 3


async def test_the_stored_password_is_argon2id_with_owasps_parameters(users, stores) -> None:
    added = await users.add(_login(), PASSWORD)
    async with stores.tx(added.user_id) as conn:
        row = await (
            await conn.execute(
                "select password_hash from users where user_id = %s", (added.user_id,)
            )
        ).fetchone()
    assert row.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_sign_in_that_a_new_password_overtakes_gets_no_token(
    accounts, users, passwords, monkeypatch
) -> None:
    login, new = _login(), "changed in between"
    await users.add(login, PASSWORD)
    verify = passwords.verify

    async def overtaken(hashed: str | None, password: str) -> bool:
        right = await verify(hashed, password)
        await users.set_password(login, new)
        return right

    monkeypatch.setattr(passwords, "verify", overtaken)
    with pytest.raises(Unauthorized):
        await _sign_in(accounts, login)


async def test_a_quota_of_nothing_is_nothing(users) -> None:
    assert (await users.add(_login(), PASSWORD, quota=0)).quota_bytes == 0
