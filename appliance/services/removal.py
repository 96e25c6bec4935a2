"""An account goes with all it has, at once: rows, objects, login. For the doctor's own accounts.

A user's files die slowly, as tickets, downloads and restores of the database may still want them.
Nobody but the doctor has ever had a ticket for one of these. The login goes last: while it is
there, doing it again finishes what a crash has left.
"""

from __future__ import annotations

from appliance.cache.metadata import MetadataCache
from appliance.domain.clock import Clock
from appliance.objects.control import ObjectControl
from appliance.objects.keys import space_prefix
from appliance.store import accounts as rows
from appliance.store.pools import Stores
from appliance.store.removal import remove_login, remove_space, remove_user

from .logins import Login

__all__ = ["remove_account"]


async def remove_account(
    login_text: str, *, stores: Stores, control: ObjectControl, cache: MetadataCache, clock: Clock
) -> None:
    """Nothing happens when there is none. Raises DatabaseUnavailable, StoreUnavailable."""
    login = Login.of(login_text)
    async with stores.tx(login.key) as conn:
        user_id = await rows.find_login(conn, login.key, login.folded)
    if user_id is None:
        return
    async with stores.tx(user_id) as conn:
        user = await rows.user_by_id(conn, user_id)
        tokens = await rows.device_tokens(conn, user_id, clock.now())
    if user is not None:
        space_id = user.space_id
        objects = await control.list_prefix(space_prefix(space_id))
        await control.delete_many([each.key for each in objects])
        await stores.run(space_id, lambda conn: remove_space(conn, space_id))
        await stores.run(user_id, lambda conn: remove_user(conn, user_id))
        await cache.drop_auth(user_id, [token.token_id for token in tokens])
    await stores.run(login.key, lambda conn: remove_login(conn, login.key, login.folded))
