"""Sign-in, tokens, devices: what a user does with the own account.

A token's secret is never stored, only its hash. The cache may hold what a token stands for, at
most 30 s, and is told of every revocation; a user's row and tokens share one key, so a miss is
one query.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

import msgspec

from appliance.cache.metadata import MetadataCache
from appliance.domain.access import Caller
from appliance.domain.clock import Clock
from appliance.domain.errors import (
    BadRequest,
    NotFound,
    Suspended,
    TooManyAttempts,
    Unauthorized,
)
from appliance.domain.ids import Randbits, Token, encode_key
from appliance.settings import Limits
from appliance.store import accounts as rows
from appliance.store.pools import Connection, Stores
from appliance.wire.accounts import (
    Account,
    Devices,
    NewPassword,
    Session,
    SignedInDevice,
    SignIn,
)

from .logins import Login
from .new_passwords import check_password, replace_password
from .passwords import Passwords

__all__ = ["Accounts"]

_TOUCH = timedelta(hours=1)


class _Known(msgspec.Struct, frozen=True, array_like=True):
    """What the cache holds of a token."""

    secret_hash: bytes
    device: str
    used_at: datetime
    expires_at: datetime
    login: str
    role: str
    space_id: int
    suspended: bool


class Accounts:
    def __init__(
        self,
        *,
        stores: Stores,
        cache: MetadataCache,
        clock: Clock,
        randbits: Randbits,
        passwords: Passwords,
        limits: Limits,
    ) -> None:
        self._stores = stores
        self._cache = cache
        self._clock = clock
        self._randbits = randbits
        self._passwords = passwords
        self._limits = limits

    async def sign_in(self, request: SignIn) -> Session:
        """Raises Unauthorized, Suspended, TooManyAttempts (per account, whoever asks)."""
        try:
            login = Login.of(request.login)
        except BadRequest as error:
            raise Unauthorized("the login or the password is wrong") from error
        now = self._clock.now()
        user_id = await self._count_attempt(login, now)
        user = None
        if user_id is not None:
            async with self._stores.tx(user_id) as conn:
                user = await rows.user_by_id(conn, user_id)
        right = await self._passwords.verify(user and user.password_hash, request.password)
        if user is None or not right:
            raise Unauthorized("the login or the password is wrong")
        if user.suspended_at is not None:
            raise Suspended("this account is suspended; ask your administrator")
        token = Token.new(user.user_id, self._randbits)
        expires_at = now + timedelta(seconds=self._limits.token_seconds)

        async def add(conn: Connection) -> bool:
            return await rows.add_token(
                conn, user, token.token_id, token.hash(), request.device, now, expires_at
            )

        if not await self._stores.run(user.user_id, add):
            raise Unauthorized("the password was changed just now")
        await self._stores.run(
            login.key, lambda conn: rows.forget_attempts(conn, login.key, login.folded)
        )
        return Session(
            token=token.format(),
            device_id=encode_key("p", token.token_id),
            expires_at=expires_at,
            account=_account(user),
        )

    async def _count_attempt(self, login: Login, now: datetime) -> int | None:
        window = timedelta(seconds=self._limits.signin_window_seconds)

        async def count(conn: Connection) -> tuple[rows.Attempt, int | None]:
            attempt = await rows.count_attempt(conn, login.key, login.folded, now, now - window)
            return attempt, await rows.find_login(conn, login.key, login.folded)

        attempt, user_id = await self._stores.run(login.key, count)
        if attempt.failures > self._limits.signin_attempts:
            wait = (attempt.window_start + window - now).total_seconds()
            raise TooManyAttempts(
                "too many sign-ins failed for this login; wait before the next",
                retry_after=max(1.0, wait),
            )
        return user_id

    async def authenticate(self, token_text: str) -> Caller:
        """Raises Unauthorized, Suspended. One cache call, or one query."""
        token = Token.parse(token_text)
        return await self.identify(token, await self._cache.get_auth(token.user_id, token.token_id))

    async def identify(self, token: Token, cached: bytes | None) -> Caller:
        """`authenticate` for who has asked the cache already, together with something else."""
        known = None if cached is None else msgspec.msgpack.decode(cached, type=_Known)
        now = self._clock.now()
        if known is None:
            known = await self._look_up(token, now)
        if (
            known is None
            or known.expires_at <= now
            or not hmac.compare_digest(known.secret_hash, token.hash())
        ):
            raise Unauthorized("sign in again: this token is unknown, revoked or expired")
        if known.suspended:
            raise Suspended("this account is suspended; ask your administrator")
        return Caller(
            user_id=token.user_id,
            token_id=token.token_id,
            space_id=known.space_id,
            role=known.role,
            login=known.login,
            device=known.device,
        )

    async def _look_up(self, token: Token, now: datetime) -> _Known | None:
        async with self._stores.tx(token.user_id) as conn:
            row = await rows.token_with_user(conn, token.user_id, token.token_id, now)
            if row is None or not hmac.compare_digest(row.secret_hash, token.hash()):
                return None
            if now - row.used_at > _TOUCH:
                await rows.touch_token(conn, token.user_id, token.token_id, now)
        known = _Known(
            secret_hash=row.secret_hash,
            device=row.device,
            used_at=row.used_at,
            expires_at=row.expires_at,
            login=row.login,
            role=row.role,
            space_id=row.space_id,
            suspended=row.suspended_at is not None,
        )
        await self._cache.put_auth(token.user_id, token.token_id, msgspec.msgpack.encode(known))
        return known

    async def sign_out(self, caller: Caller) -> None:
        await self._revoke(caller.user_id, caller.token_id)

    async def account(self, caller: Caller) -> Account:
        return _account(await self._user(caller.user_id))

    async def change_password(self, caller: Caller, request: NewPassword) -> None:
        """Signs all other devices out. Raises Unauthorized when `old` is wrong."""
        user = await self._user(caller.user_id)
        check_password(request.new)
        await self._count_attempt(Login.of(user.login), self._clock.now())
        if not await self._passwords.verify(user.password_hash, request.old):
            raise Unauthorized("the old password is wrong")
        await replace_password(
            self._stores,
            self._cache,
            self._passwords,
            user,
            request.new,
            now=self._clock.now(),
            keep_token=caller.token_id,
        )

    async def devices(self, caller: Caller) -> Devices:
        async with self._stores.tx(caller.user_id) as conn:
            found = await rows.device_tokens(conn, caller.user_id, self._clock.now())
        return Devices(
            items=[
                SignedInDevice(
                    id=encode_key("p", row.token_id),
                    device=row.device,
                    created_at=row.created_at,
                    used_at=row.used_at,
                    expires_at=row.expires_at,
                    current=row.token_id == caller.token_id,
                )
                for row in found
            ]
        )

    async def revoke(self, caller: Caller, device_id: int) -> None:
        """Raises NotFound for a device that isn't this user's or is signed out already."""
        if not await self._revoke(caller.user_id, device_id):
            raise NotFound("no such device is signed in")

    async def _revoke(self, user_id: int, token_id: int) -> bool:
        done = await self._stores.run(
            user_id, lambda conn: rows.revoke_token(conn, user_id, token_id, self._clock.now())
        )
        await self._cache.drop_auth(user_id, [token_id])
        return done

    async def _user(self, user_id: int) -> rows.UserRow:
        async with self._stores.tx(user_id) as conn:
            user = await rows.user_by_id(conn, user_id)
        if user is None:
            raise Unauthorized("this account is gone")
        return user


def _account(user: rows.UserRow) -> Account:
    return Account(
        id=encode_key("p", user.user_id),
        login=user.login,
        role=user.role,
        space=encode_key("s", user.space_id),
        created_at=user.created_at,
    )
