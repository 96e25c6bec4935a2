"""Spaces, nodes, versions, trash, tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from .fields import Answer, Id, Limit, Mode, Name, Nanoseconds, Request

__all__ = [
    "Chunk", "Chunks", "Copy", "Listing", "Mismatch", "Move", "Node", "Nodes", "Restore",
    "RestoreVersion", "Space", "Ticket", "TicketOutcome", "TicketRequest", "TicketTarget",
    "Tickets", "TrashItem", "TrashPage", "Version", "Versions",
]  # fmt: skip

Kind = Literal["file", "folder", "link"]
Flag = Literal["windows-unfit", "case-twin"]


class Space(Answer, frozen=True, kw_only=True):
    id: str
    seq: int
    quota_bytes: int
    used_bytes: int
    """Each blob once, at the larger of raw and stored size; trash and versions included."""
    reserved_bytes: int
    trash_bytes: int
    version_bytes: int
    """Held only by versions that are not current."""
    versions_kept: int
    root: str


class Node(Answer, frozen=True, kw_only=True):
    id: str
    parent: str | None
    """None for the root; the trash shows as its parent for what lies directly in it."""
    name: str
    kind: Kind
    version: str | None
    size: int
    sha256: str | None
    mtime_ns: int
    mode: int
    target: str | None
    rev: int
    """The space's seq of this node's last change: the base of moves and deletions."""
    flags: list[str]
    trashed: bool
    created_at: datetime
    status: str = "uploaded"
    """Of a file's content: uploaded, or quarantined after a mismatch."""


class Nodes(Answer, frozen=True, kw_only=True):
    items: list[Node]
    next: str | None
    """Give it back as `after` for the next page; None after the last."""


class Listing(Request, frozen=True, kw_only=True):
    """Children of several folders in one call, ordered by folder and name."""

    parents: Annotated[list[Id], Meta(min_length=1, max_length=200)]
    after: Annotated[str, Meta(max_length=2048)] | None = None
    limit: Limit = 1000


class Move(Request, frozen=True, kw_only=True):
    """Rename, move, change of mode or mtime; what is absent stays."""

    name: Name | None = None
    parent: Id | None = None
    mode: Mode | None = None
    mtime_ns: Nanoseconds | None = None
    rev: Annotated[int, Meta(ge=0)] | None = None
    """Refused with 409 unless it is the node's current rev; absent: whatever it is."""


class Copy(Request, frozen=True, kw_only=True):
    parent: Id
    name: Name


class Restore(Request, frozen=True, kw_only=True):
    """From the trash, to where it was or elsewhere."""

    parent: Id | None = None
    name: Name | None = None


class Version(Answer, frozen=True, kw_only=True):
    id: str
    size: int
    sha256: str | None
    mtime_ns: int
    mode: int
    author: str
    device: str
    created_at: datetime
    current: bool


class Versions(Answer, frozen=True, kw_only=True):
    items: list[Version]
    next: str | None


class RestoreVersion(Request, frozen=True, kw_only=True):
    base: Id | None = None
    """The current version as the caller knows it; absent: whatever it is."""


class Chunk(Answer, frozen=True, kw_only=True):
    index: int
    offset: int
    length: int
    sha256: str
    status: str


class Chunks(Answer, frozen=True, kw_only=True):
    """The chunk list of a version's blob."""

    version: str
    chunk_class: int
    items: list[Chunk]


class TrashItem(Answer, frozen=True, kw_only=True):
    node: Node
    name: str
    from_parent: str
    trashed_at: datetime


class TrashPage(Answer, frozen=True, kw_only=True):
    items: list[TrashItem]
    next: str | None


class Ticket(Answer, frozen=True, kw_only=True):
    """A download URL: valid until expires_at, for anyone who holds it under its conditions."""

    url: str | None
    """None for an empty file: there is nothing to fetch."""
    expires_at: datetime
    size: int
    sha256: str | None
    version: str
    etag: str


Bind = Annotated[
    Literal["address", "cookie"],
    Meta(
        description="The ticket is good only from the address that asked for it, or only with the "
        "cookie `stowbay_bind` that came with the request."
    ),
]


class TicketTarget(Request, frozen=True, kw_only=True):
    node: Id
    version: Id | None = None


class TicketRequest(Request, frozen=True, kw_only=True):
    targets: Annotated[list[TicketTarget], Meta(min_length=1, max_length=1000)]
    chunks: bool = False
    """With the chunk list of each blob of at most 16 chunks."""
    bind: Bind | None = None


class TicketOutcome(Answer, frozen=True, kw_only=True):
    ticket: Ticket | None
    chunks: list[Chunk] | None
    code: str | None
    detail: str | None


class Tickets(Answer, frozen=True, kw_only=True):
    items: list[TicketOutcome]


class Mismatch(Request, frozen=True, kw_only=True):
    """A chunk that arrived with other bytes than its fingerprint says."""

    version: Id
    index: Annotated[int, Meta(ge=0, le=9_999)]
