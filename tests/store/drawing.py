"""Rows that stand for files whose bytes have arrived, and short ways to commit them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from appliance.domain import ids
from appliance.domain.chunking import Chunk, fingerprint, pack
from appliance.domain.clock import Clock
from appliance.services.commits import Commits
from appliance.store.pools import Stores
from appliance.wire.uploads import Commit, CommitOutcome, CommitTarget

from .homes import Home

_BLOB = """
insert into blobs (space_id, blob_id, object_key, stored_size, raw_size, class, chunk_list,
                   fingerprint, proven, sha256, author_user_id, state, charged, fresh_until,
                   created_at)
values (%s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, false, %s, %s)
"""


@dataclass(frozen=True)
class Drawer:
    """Puts blobs into spaces as a completed upload does, and files them by commits."""

    stores: Stores
    ids: ids.IdMaker
    clock: Clock
    commits: Commits

    async def blob(
        self,
        home: Home,
        size: int = 100,
        *,
        proven: bool = True,
        state: str = "live",
        author: int | None = None,
        blob_id: int | None = None,
    ) -> str:
        """The upload id that a commit takes."""
        blob_id = blob_id or self.ids.next()
        digest = secrets.token_bytes(32)
        chunks = [Chunk(size, digest)]
        now = self.clock.now()
        async with self.stores.tx(home.space_id) as conn:
            await conn.execute(
                _BLOB,
                (
                    home.space_id, blob_id, f"blobs/{blob_id:x}", size, size, pack(chunks),
                    fingerprint(0, chunks), proven, digest, author or home.caller.user_id, state,
                    now + timedelta(days=1), now,
                ),
            )  # fmt: skip
        return ids.encode("u", home.space_id, blob_id)

    async def commit(self, home: Home, *targets: CommitTarget) -> list[CommitOutcome]:
        written = await self.commits.commit(home.caller, home.space, Commit(targets=list(targets)))
        return written.answer.items

    async def file(
        self,
        home: Home,
        name: str,
        parent: str | None = None,
        *,
        upload: str | None = None,
        size: int = 100,
        base: str | None = None,
    ) -> CommitOutcome:
        upload = upload or await self.blob(home, size)
        target = CommitTarget(
            kind="file", parent=parent or home.root, name=name, upload=upload, base=base
        )
        return (await self.commit(home, target))[0]

    async def folder(self, home: Home, name: str, parent: str | None = None) -> str:
        target = CommitTarget(kind="folder", parent=parent or home.root, name=name, mode=0o755)
        outcome = (await self.commit(home, target))[0]
        assert outcome.status in ("created", "exists"), outcome
        assert outcome.node is not None
        return outcome.node
