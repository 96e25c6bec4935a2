"""Users as the operator manages them: add, list, suspend, quota, versions, password.

Adding a user touches three keys: the login's, the user's and the space's. Each step is idempotent
and the next one follows from what the one before has written, so a run that died anywhere is
finished by the same command again, and the space also by the worker's outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.cache.metadata import MetadataCache
from appliance.domain.clock import Clock
from appliance.domain.errors import BadRequest, Conflict, NotFound
from appliance.domain.ids import IdMaker, Randbits, new_key
from appliance.settings import Limits
from appliance.store import accounts as rows
from appliance.store import spaces
from appliance.store.pools import Connection, Stores
from appliance.store.routing import buckets

from .logins import Login
from .new_passwords import check_password, replace_password
from .passwords import Passwords

__all__ = ["UserInfo", "Users"]

_MAKE_SPACE = "make-space"
_MOST_VERSIONS = (1 << 31) - 1  # the column is an integer


@dataclass(frozen=True, slots=True)
class UserInfo:
    user_id: int
    login: str
    role: str
    suspended_at: datetime | None
    created_at: datetime
    space_id: int
    used_bytes: int
    quota_bytes: int
    versions_kept: int


class Users:
    def __init__(
        self,
        *,
        stores: Stores,
        cache: MetadataCache,
        clock: Clock,
        ids: IdMaker,
        randbits: Randbits,
        passwords: Passwords,
        limits: Limits,
    ) -> None:
        self._stores = stores
        self._cache = cache
        self._clock = clock
        self._ids = ids
        self._randbits = randbits
        self._passwords = passwords
        self._limits = limits

    async def add(
        self, login_text: str, password: str, *, role: str = "user", quota: int | None = None
    ) -> UserInfo:
        """Raises Conflict when the login is taken, BadRequest for a login or password unfit."""
        login = Login.of(login_text)
        check_password(password)
        now = self._clock.now()
        wanted = new_key(self._randbits)
        user_id = await self._stores.run(
            login.key,
            lambda conn: rows.claim_login(conn, login.key, login.folded, login.typed, wanted, now),
        )
        hashed = await self._passwords.hash(password)
        space_id, outbox_id = new_key(self._randbits), self._ids.next()
        payload = {
            "owner": user_id,
            "quota": self._limits.default_quota if quota is None else quota,
        }

        async def add_user(conn: Connection) -> bool:
            added = await rows.add_user(conn, user_id, login.typed, hashed, role, space_id, now)
            if added:
                await rows.add_outbox(conn, user_id, outbox_id, _MAKE_SPACE, space_id, payload, now)
            return added

        if not await self._stores.run(user_id, add_user):
            raise Conflict(f"the login {login.typed} is taken")
        await self.apply_outbox(rows.OutboxRow(user_id, outbox_id, _MAKE_SPACE, space_id, payload))
        return await self.find(login_text)

    async def apply_outbox(self, row: rows.OutboxRow) -> None:
        """Does what the row asks for and drops it; doing it twice changes nothing."""
        if row.kind != _MAKE_SPACE:
            raise ValueError(f"no outbox kind {row.kind}")
        owner, quota, now = int(row.payload["owner"]), int(row.payload["quota"]), self._clock.now()
        await self._stores.run(
            row.target_key,
            lambda conn: spaces.create(
                conn,
                row.target_key,
                owner,
                quota_bytes=quota,
                versions_kept=self._limits.versions_kept,
                now=now,
            ),
        )
        await self._stores.run(row.key, lambda conn: rows.drop_outbox(conn, row.key, row.outbox_id))

    async def list(self) -> Sequence[UserInfo]:
        """All users, by login."""
        found: list[rows.UserRow] = []
        for first, last in buckets():
            async with self._stores.read(first) as conn:
                found += await rows.list_users(conn, first, last)
        infos = [await self._info(user) for user in found]
        return sorted(infos, key=lambda info: info.login.casefold())

    async def find(self, login_text: str) -> UserInfo:
        return await self._info(await self._user(login_text))

    async def suspend(self, login_text: str, *, resume: bool = False) -> UserInfo:
        """Takes effect at once: what the cache holds of the user's tokens is dropped."""
        user = await self._user(login_text)
        at = None if resume else self._clock.now()
        await self._stores.run(
            user.user_id, lambda conn: rows.set_suspended(conn, user.user_id, at)
        )
        await self._forget_tokens(user.user_id)
        return await self.find(login_text)

    async def quota(self, login_text: str, quota_bytes: int) -> UserInfo:
        """A quota below what is used stops growth and deletes nothing."""
        if quota_bytes < 0:
            raise BadRequest("a quota is zero bytes or more")
        user = await self._user(login_text)
        await self._stores.run(
            user.space_id, lambda conn: spaces.set_quota(conn, user.space_id, quota_bytes)
        )
        return await self.find(login_text)

    async def versions(self, login_text: str, versions_kept: int) -> UserInfo:
        """The current version counts. Files that have more lose the oldest with their next one."""
        if not 1 <= versions_kept <= _MOST_VERSIONS:
            raise BadRequest(f"a file keeps 1 to {_MOST_VERSIONS} versions")
        user = await self._user(login_text)
        await self._stores.run(
            user.space_id,
            lambda conn: spaces.set_versions_kept(conn, user.space_id, versions_kept),
        )
        return await self.find(login_text)

    async def set_password(self, login_text: str, password: str) -> None:
        """Signs every device out."""
        check_password(password)
        user = await self._user(login_text)
        await replace_password(
            self._stores, self._cache, self._passwords, user, password, now=self._clock.now()
        )

    async def _forget_tokens(self, user_id: int) -> None:
        async with self._stores.tx(user_id) as conn:
            tokens = await rows.device_tokens(conn, user_id, self._clock.now())
        await self._cache.drop_auth(user_id, [token.token_id for token in tokens])

    async def _user(self, login_text: str) -> rows.UserRow:
        login = Login.of(login_text)
        async with self._stores.tx(login.key) as conn:
            user_id = await rows.find_login(conn, login.key, login.folded)
        if user_id is not None:
            async with self._stores.tx(user_id) as conn:
                user = await rows.user_by_id(conn, user_id)
            if user is not None:
                return user
        raise NotFound(f"there is no user {login.typed}")

    async def _info(self, user: rows.UserRow) -> UserInfo:
        async with self._stores.tx(user.space_id) as conn:
            space = await (await spaces.space(conn, user.space_id)).fetchone()
        return UserInfo(
            user_id=user.user_id,
            login=user.login,
            role=user.role,
            suspended_at=user.suspended_at,
            created_at=user.created_at,
            space_id=user.space_id,
            used_bytes=0 if space is None else space.used_bytes,
            quota_bytes=0 if space is None else space.quota_bytes,
            versions_kept=0 if space is None else space.versions_kept,
        )
