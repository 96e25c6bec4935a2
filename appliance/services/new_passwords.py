"""A password replaced, by its user or by the operator: what follows is the same for both."""

from __future__ import annotations

from datetime import datetime

from appliance.cache.metadata import MetadataCache
from appliance.domain.errors import BadRequest
from appliance.store import accounts as rows
from appliance.store.pools import Connection, Stores

from .logins import Login
from .passwords import MIN_LENGTH, Passwords

__all__ = ["check_password", "replace_password"]


def check_password(password: str) -> None:
    if len(password) < MIN_LENGTH:
        raise BadRequest(f"a password has at least {MIN_LENGTH} characters")


async def replace_password(
    stores: Stores,
    cache: MetadataCache,
    passwords: Passwords,
    user: rows.UserRow,
    password: str,
    *,
    now: datetime,
    keep_token: int = 0,
) -> None:
    """Signs every device out but the one with `keep_token`, and forgets failed sign-ins."""
    hashed = await passwords.hash(password)

    async def change(conn: Connection) -> list[int]:
        await rows.set_password(conn, user.user_id, hashed)
        return await rows.revoke_tokens(conn, user.user_id, keep_token, now)

    await cache.drop_auth(user.user_id, await stores.run(user.user_id, change))
    login = Login.of(user.login)
    await stores.run(login.key, lambda conn: rows.forget_attempts(conn, login.key, login.folded))
