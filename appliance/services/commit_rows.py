"""Everything the decision of a commit reads, asked in one round trip with the lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.domain.commits import Blob, BlobState, Current, Existing, Kind, Target
from appliance.domain.tree import MAX_DEPTH, Place, depth_of, place_of
from appliance.store import nodes, versions
from appliance.store.nodes import Named
from appliance.store.pools import Connection
from appliance.store.versions import BlobRow, FullHistory

from .changing import Draft

__all__ = ["Asked", "ask_current"]


@dataclass(frozen=True, slots=True)
class Asked:
    current: Current
    named: Mapping[tuple[int, str], Named]
    blobs: Mapping[int, BlobRow]
    histories: Mapping[int, FullHistory]  # of nodes that can't keep one more version

    def sized(self, targets: Sequence[Target]) -> list[Target]:
        """A file's size and sha256 are its upload's: the client doesn't say them again."""
        return [
            replace(target, size=blob.raw_size, sha256=blob.sha256)
            if target.blob_id is not None and (blob := self.blobs.get(target.blob_id))
            else target
            for target in targets
        ]


async def ask_current(conn: Connection, draft: Draft, targets: Sequence[Target]) -> Asked:
    """Locks the space; raises NotFound if it isn't the caller's to write."""
    space_id = draft.space_id
    parent_ids = sorted({target.parent_id for target in targets})
    places = sorted({(target.parent_id, target.name) for target in targets})
    files = sorted({(t.parent_id, t.name) for t in targets if t.kind is Kind.FILE})
    blob_ids = sorted({target.blob_id for target in targets if target.blob_id is not None})

    way_rows = await nodes.ancestors(conn, space_id, parent_ids)
    named_rows = await nodes.named(conn, space_id, places)
    blob_rows = await versions.usable_blobs(conn, space_id, blob_ids) if blob_ids else None
    full_rows = await versions.full_histories(conn, space_id, files) if files else None
    space = await draft.locked()

    edges = await way_rows.fetchall()
    parents = {edge.node_id: edge.parent_id for edge in edges}
    folders = {edge.node_id for edge in edges if edge.kind == Kind.FOLDER}
    where = {parent: place_of(parent, parents) for parent in parent_ids}
    live = frozenset(p for p in parent_ids if where[p] is Place.LIVE and p in folders)
    named = {(row.parent_id, row.name): row for row in await named_rows.fetchall()}
    blobs = {row.blob_id: row for row in await blob_rows.fetchall()} if blob_rows else {}
    full = {row.node_id: row for row in await full_rows.fetchall()} if full_rows else {}
    current = Current(
        author=draft.caller.user_id,
        children={place: _existing(row) for place, row in named.items()},
        blobs={blob_id: _blob(row) for blob_id, row in blobs.items()},
        live_parents=live,
        trashed_parents=frozenset(
            p for p in parent_ids if where[p] is Place.TRASHED and p in folders
        ),
        deepest_parents=frozenset(p for p in live if depth_of(p, parents) >= MAX_DEPTH),
        quota=space.quota_bytes,
        used=space.used_bytes,
        # An upload's reservation ends when it becomes a blob; what others still hold is a promise
        # that `begin` weighed. Here only this counts: what is used never passes the quota.
        reserved=0,
    )
    return Asked(current, named, blobs, full)


def _existing(row: Named) -> Existing:
    return Existing(
        node_id=row.node_id,
        kind=Kind(row.kind),
        version_id=row.version_id,
        rev=row.rev,
        blob_id=row.blob_id,
        mtime_ns=row.mtime_ns,
        mode=row.mode,
        link_target=row.target,
    )


def _blob(row: BlobRow) -> Blob:
    return Blob(
        id=row.blob_id,
        size=row.raw_size,
        stored=row.stored_size,
        state=BlobState(row.state),
        proven=row.proven,
        author=row.author_user_id,
        charged=row.charged,
    )
