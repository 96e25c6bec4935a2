"""Accounts: logins by login key; users, tokens and the outbox by user id."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from . import queries
from .pools import Connection

__all__ = [
    "Attempt", "DeviceRow", "OutboxRow", "TokenRow", "UserRow", "add_outbox", "add_token",
    "add_user", "any_forgettable", "claim_login", "count_attempt", "device_tokens", "drop_outbox",
    "due_outbox", "find_login", "forget_attempts", "forget_tokens", "forget_windows", "list_users",
    "revoke_token", "revoke_tokens", "set_password", "set_suspended", "token_with_user",
    "touch_token", "user_by_id",
]  # fmt: skip

Q = queries.load(__file__)


class UserRow(NamedTuple):
    user_id: int
    login: str
    password_hash: str
    role: str
    suspended_at: datetime | None
    space_id: int
    rev: int
    created_at: datetime


class TokenRow(NamedTuple):
    secret_hash: bytes
    device: str
    used_at: datetime
    expires_at: datetime
    login: str
    role: str
    space_id: int
    suspended_at: datetime | None


class DeviceRow(NamedTuple):
    token_id: int
    device: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class Attempt(NamedTuple):
    failures: int
    window_start: datetime


class OutboxRow(NamedTuple):
    key: int
    outbox_id: int
    kind: str
    target_key: int
    payload: dict[str, Any]


async def _one(conn: Connection, name: str, **values: Any) -> Any:
    return await (await conn.execute(Q[name], values)).fetchone()


async def _all(conn: Connection, name: str, **values: Any) -> list[Any]:
    return await (await conn.execute(Q[name], values)).fetchall()


async def claim_login(
    conn: Connection, login_key: int, folded: str, login: str, user_id: int, now: datetime
) -> int:
    """The user id that has the login: `user_id` if it was free, else the earlier claim's."""
    row = await _one(
        conn,
        "claim_login",
        login_key=login_key,
        folded=folded,
        login=login,
        user_id=user_id,
        now=now,
    )
    return int(row.user_id)


async def find_login(conn: Connection, login_key: int, folded: str) -> int | None:
    row = await _one(conn, "find_login", login_key=login_key, folded=folded)
    return None if row is None else int(row.user_id)


async def list_users(conn: Connection, first_key: int, last_key: int) -> list[UserRow]:
    rows = await _all(conn, "list_users", first_key=first_key, last_key=last_key)
    return [UserRow(*row) for row in rows]


async def count_attempt(
    conn: Connection, login_key: int, folded: str, now: datetime, window_start: datetime
) -> Attempt:
    """Failures of the window that began after `window_start`, this attempt included."""
    row = await _one(
        conn,
        "count_attempt",
        login_key=login_key,
        folded=folded,
        now=now,
        window_start=window_start,
    )
    return Attempt(*row)


async def forget_attempts(conn: Connection, login_key: int, folded: str) -> None:
    await conn.execute(Q["forget_attempts"], {"login_key": login_key, "folded": folded})


async def add_user(
    conn: Connection,
    user_id: int,
    login: str,
    password_hash: str,
    role: str,
    space_id: int,
    now: datetime,
) -> bool:
    """False when the user exists."""
    row = await _one(
        conn,
        "add_user",
        user_id=user_id,
        login=login,
        password_hash=password_hash,
        role=role,
        space_id=space_id,
        now=now,
    )
    return row is not None


async def add_outbox(
    conn: Connection,
    key: int,
    outbox_id: int,
    kind: str,
    target_key: int,
    payload: dict[str, Any],
    now: datetime,
) -> None:
    values = {"key": key, "outbox_id": outbox_id, "kind": kind, "target_key": target_key}
    await conn.execute(Q["add_outbox"], {**values, "payload": Jsonb(payload), "now": now})


async def due_outbox(
    conn: Connection, first_key: int, last_key: int, limit: int
) -> list[OutboxRow]:
    rows = await _all(conn, "due_outbox", first_key=first_key, last_key=last_key, limit=limit)
    return [OutboxRow(*row) for row in rows]


async def drop_outbox(conn: Connection, key: int, outbox_id: int) -> None:
    await conn.execute(Q["drop_outbox"], {"key": key, "outbox_id": outbox_id})


async def user_by_id(conn: Connection, user_id: int) -> UserRow | None:
    row = await _one(conn, "user_by_id", user_id=user_id)
    return None if row is None else UserRow(*row)


async def set_password(conn: Connection, user_id: int, password_hash: str) -> bool:
    row = await _one(conn, "set_password", user_id=user_id, password_hash=password_hash)
    return row is not None


async def set_suspended(conn: Connection, user_id: int, suspended_at: datetime | None) -> bool:
    row = await _one(conn, "set_suspended", user_id=user_id, suspended_at=suspended_at)
    return row is not None


async def add_token(
    conn: Connection,
    user: UserRow,
    token_id: int,
    secret_hash: bytes,
    device: str,
    now: datetime,
    expires_at: datetime,
) -> bool:
    """False when `user`'s password is no longer what it was, or the account is suspended."""
    row = await _one(
        conn,
        "add_token",
        user_id=user.user_id,
        password_hash=user.password_hash,
        token_id=token_id,
        secret_hash=secret_hash,
        device=device,
        now=now,
        expires_at=expires_at,
    )
    return row is not None


async def token_with_user(
    conn: Connection, user_id: int, token_id: int, now: datetime
) -> TokenRow | None:
    row = await _one(conn, "token_with_user", user_id=user_id, token_id=token_id, now=now)
    return None if row is None else TokenRow(*row)


async def touch_token(conn: Connection, user_id: int, token_id: int, now: datetime) -> None:
    await conn.execute(Q["touch_token"], {"user_id": user_id, "token_id": token_id, "now": now})


async def device_tokens(conn: Connection, user_id: int, now: datetime) -> list[DeviceRow]:
    """The devices that are signed in."""
    return [DeviceRow(*row) for row in await _all(conn, "live_tokens", user_id=user_id, now=now)]


async def revoke_token(conn: Connection, user_id: int, token_id: int, now: datetime) -> bool:
    row = await _one(conn, "revoke_token", user_id=user_id, token_id=token_id, now=now)
    return row is not None


async def revoke_tokens(conn: Connection, user_id: int, keep: int, now: datetime) -> list[int]:
    """The ids revoked: all of the user's but `keep` (0 keeps none)."""
    rows = await _all(conn, "revoke_tokens", user_id=user_id, keep=keep, now=now)
    return [int(row.token_id) for row in rows]


async def any_forgettable(
    conn: Connection,
    first_key: int,
    last_key: int,
    ended_before: datetime,
    window_before: datetime,
) -> bool:
    row = await _one(
        conn,
        "any_forgettable",
        first_key=first_key,
        last_key=last_key,
        ended_before=ended_before,
        window_before=window_before,
    )
    return bool(row.found)


async def forget_tokens(
    conn: Connection, first_key: int, last_key: int, ended_before: datetime, limit: int
) -> int:
    """How many tokens that expired or were revoked before then are gone; at most `limit`."""
    values = {"first_key": first_key, "last_key": last_key, "ended_before": ended_before}
    return (await conn.execute(Q["forget_tokens"], {**values, "limit": limit})).rowcount


async def forget_windows(
    conn: Connection, first_key: int, last_key: int, window_before: datetime, limit: int
) -> int:
    """How many counts of failed sign-ins are gone; at most `limit`."""
    values = {"first_key": first_key, "last_key": last_key, "window_before": window_before}
    return (await conn.execute(Q["forget_windows"], {**values, "limit": limit})).rowcount
