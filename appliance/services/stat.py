"""The most frequent question, what is this node, at the price of one call to the cache.

Session and node are asked for together. When both are held, the answer is the stored bytes, as
they were encoded once; when either isn't, the services that own them do what they always do.
"""

from __future__ import annotations

import msgspec

from appliance.cache.metadata import MetadataCache
from appliance.domain import ids
from appliance.domain.errors import NotFound

from .accounts import Accounts
from .files import Files

__all__ = ["Stat"]


class Stat:
    def __init__(self, *, cache: MetadataCache, accounts: Accounts, files: Files) -> None:
        self._cache = cache
        self._accounts = accounts
        self._files = files

    async def node(self, token_text: str, node: str, min_seq: int | None) -> bytes:
        """A wire Node as JSON. Raises Unauthorized before NotFound, as every call does."""
        token = ids.Token.parse(token_text)
        try:
            space_id, node_id = ids.decode("n", node)
        except NotFound:
            await self._accounts.authenticate(token_text)
            raise
        session, held = await self._cache.get_auth_and_node(
            token.user_id, token.token_id, space_id, node_id, min_seq
        )
        caller = await self._accounts.identify(token, session)
        if held is not None and space_id == caller.space_id:
            return held
        return msgspec.json.encode(await self._files.node(caller, node, min_seq))
