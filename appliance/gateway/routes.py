"""The one table of routes. The application and the OpenAPI document are both made from it."""

from __future__ import annotations

from appliance.gateway.handlers import accounts, content, nodes, spaces, uploads
from appliance.gateway.queries import (
    ChangesQuery,
    ChunksQuery,
    ContentQuery,
    DeleteQuery,
    FindQuery,
    Page,
    ResolveQuery,
)
from appliance.gateway.route import Route
from appliance.wire import accounts as a
from appliance.wire import changes as j
from appliance.wire import nodes as n
from appliance.wire import uploads as u

__all__ = ["ROUTES"]

_MOVE_ERRORS = (
    "invalid-name", "conflict", "name-taken", "cycle", "parent-trashed", "tree-too-large",
)  # fmt: skip
_UPLOAD_ERRORS = ("upload-state", "store-unavailable")

ACCOUNT = (
    Route(
        method="POST", path="/session", handler=accounts.sign_in, tag="account",
        summary="Sign in on a device; the token is told only here.",
        request=a.SignIn, answer=a.Session, status=201, auth=False,
        errors=("unauthorized", "suspended", "too-many-attempts"),
    ),
    Route(
        method="DELETE", path="/session", handler=accounts.sign_out, tag="account",
        summary="Sign out: this token is revoked.", answer=None, status=204,
    ),
    Route(
        method="GET", path="/account", handler=accounts.account, tag="account",
        summary="Who is signed in.", answer=a.Account,
    ),
    Route(
        method="PUT", path="/account/password", handler=accounts.change_password, tag="account",
        summary="Change the own password; all other devices are signed out.",
        request=a.NewPassword, answer=None, status=204, errors=("too-many-attempts",),
    ),
    Route(
        method="GET", path="/account/devices", handler=accounts.devices, tag="account",
        summary="The devices that are signed in.", answer=a.Devices,
    ),
    Route(
        method="DELETE", path="/account/devices/{token}", handler=accounts.revoke_device,
        tag="account", summary="Sign a device out.", answer=None, status=204,
    ),
)  # fmt: skip

SPACES = (
    Route(
        method="GET", path="/spaces/{space}", handler=spaces.space, tag="spaces",
        summary="A space: its quota, what is used, its seq.", answer=n.Space, reads=True,
    ),
    Route(
        method="GET", path="/spaces/{space}/resolve", handler=spaces.resolve, tag="spaces",
        summary="The node at a path.", query=ResolveQuery, answer=n.Node, reads=True,
        errors=("invalid-name",),
    ),
    Route(
        method="GET", path="/spaces/{space}/find", handler=spaces.find, tag="spaces",
        summary="Nodes of a name, whatever its case.", query=FindQuery, answer=n.Nodes, reads=True,
    ),
    Route(
        method="POST", path="/spaces/{space}/listing", handler=spaces.listing, tag="spaces",
        summary="Children of several folders; reads only.",
        request=n.Listing, answer=n.Nodes, reads=True,
    ),
    Route(
        method="GET", path="/spaces/{space}/changes", handler=spaces.changes, tag="spaces",
        summary="The journal after a cursor; may wait for news.",
        query=ChangesQuery, answer=j.Changes, errors=("invalid-cursor",),
    ),
    Route(
        method="GET", path="/spaces/{space}/trash", handler=nodes.trash, tag="trash",
        summary="What was thrown away, newest first.",
        query=Page, answer=n.TrashPage, reads=True,
    ),
    Route(
        method="DELETE", path="/spaces/{space}/trash", handler=nodes.empty_trash, tag="trash",
        summary="Empty the trash: accepted at once, done in chunks.",
        answer=None, status=202, writes=True,
    ),
)  # fmt: skip

NODES = (
    Route(
        method="GET", path="/nodes/{node}", handler=nodes.node, tag="nodes",
        summary="A file, folder or link.", answer=n.Node, identifies=True, reads=True,
    ),
    Route(
        method="GET", path="/nodes/{node}/children", handler=nodes.children, tag="nodes",
        summary="What a folder holds, by name.", query=Page, answer=n.Nodes, reads=True,
    ),
    Route(
        method="PATCH", path="/nodes/{node}", handler=nodes.move, tag="nodes",
        summary="Rename, move, change mode or mtime.",
        request=n.Move, answer=n.Node, writes=True, errors=_MOVE_ERRORS,
    ),
    Route(
        method="POST", path="/nodes/{node}/copy", handler=nodes.copy, tag="nodes",
        summary="Copy a file or a folder; no byte moves.",
        request=n.Copy, answer=n.Node, status=201, writes=True, idempotent=True,
        errors=(*_MOVE_ERRORS, "quota-exceeded", "blob-quarantined"),
    ),
    Route(
        method="DELETE", path="/nodes/{node}", handler=nodes.delete, tag="nodes",
        summary="Into the trash, or with permanent=true gone for good.",
        query=DeleteQuery, answer=n.Node, writes=True, errors=("conflict",),
        others=((204, "Deleted for good."),),
    ),
    Route(
        method="POST", path="/nodes/{node}/restore", handler=nodes.restore, tag="trash",
        summary="Out of the trash, to where it was or elsewhere.",
        request=n.Restore, answer=n.Node, writes=True, idempotent=True, errors=_MOVE_ERRORS,
    ),
)  # fmt: skip

CONTENT = (
    Route(
        method="GET", path="/nodes/{node}/versions", handler=content.versions, tag="content",
        summary="The versions of a file, newest first.",
        query=Page, answer=n.Versions, reads=True,
    ),
    Route(
        method="POST", path="/nodes/{node}/versions/{version}/restore",
        handler=content.restore_version, tag="content",
        summary="Make an old version the current one; no byte moves.",
        request=n.RestoreVersion, answer=n.Node, writes=True, idempotent=True,
        errors=("conflict", "version-gone", "blob-quarantined", "parent-trashed"),
    ),
    Route(
        method="GET", path="/nodes/{node}/chunks", handler=content.chunks, tag="content",
        summary="The chunk list of a version.", query=ChunksQuery, answer=n.Chunks, reads=True,
    ),
    Route(
        method="GET", path="/nodes/{node}/content", handler=content.content, tag="content",
        summary="The stable URL of the bytes: a redirect to a ticket, or the ticket as JSON.",
        query=ContentQuery, answer=n.Ticket, reads=True, errors=("blob-quarantined",),
        others=((302, "To the ticket's URL, unless Accept names application/json."),),
    ),
    Route(
        method="POST", path="/nodes/{node}/mismatch", handler=content.mismatch, tag="content",
        summary="Report a chunk that arrived with other bytes; its blob is quarantined.",
        request=n.Mismatch, answer=None, status=204,
    ),
    Route(
        method="POST", path="/tickets", handler=content.tickets, tag="content",
        summary="Tickets for up to a thousand files.", request=n.TicketRequest, answer=n.Tickets,
        reads=True,
    ),
)  # fmt: skip

UPLOADS = (
    Route(
        method="POST", path="/spaces/{space}/uploads", handler=uploads.begin, tag="uploads",
        summary="Begin uploads: known, resume or new, with the first URLs.",
        request=u.Begin, answer=u.Begun, idempotent=True,
        errors=("invalid-chunk-list", "quota-exceeded", "store-unavailable",
                "store-full"),
    ),
    Route(
        method="GET", path="/spaces/{space}/uploads", handler=uploads.list_open, tag="uploads",
        summary="The caller's open uploads.", query=Page, answer=u.Uploads,
    ),
    Route(
        method="POST", path="/spaces/{space}/uploads/complete", handler=uploads.complete_many,
        tag="uploads", summary="Complete up to a thousand uploads.",
        request=u.Complete, answer=u.Completed, errors=("store-unavailable",),
    ),
    Route(
        method="GET", path="/uploads/{upload}", handler=uploads.upload, tag="uploads",
        summary="An upload and what is missing of it.", answer=u.Upload,
        errors=("store-unavailable",),
    ),
    Route(
        method="GET", path="/uploads/{upload}/chunks", handler=uploads.chunks, tag="uploads",
        summary="Each chunk and whether it has arrived.", answer=u.UploadChunks,
        errors=("store-unavailable",),
    ),
    Route(
        method="POST", path="/uploads/{upload}/urls", handler=uploads.sign, tag="uploads",
        summary="URLs for more parts.", request=u.SignParts, answer=u.PartUrls,
        errors=_UPLOAD_ERRORS,
    ),
    Route(
        method="PATCH", path="/uploads/{upload}/parts", handler=uploads.record, tag="uploads",
        summary="Tell which parts were sent; each is checked with the store.",
        request=u.RecordParts, answer=u.Recorded, errors=_UPLOAD_ERRORS,
    ),
    Route(
        method="POST", path="/uploads/{upload}/complete", handler=uploads.complete, tag="uploads",
        summary="Turn the parts into a blob; again and again gives the same answer.",
        answer=u.Upload, errors=(*_UPLOAD_ERRORS, "part-missing", "part-mismatch"),
    ),
    Route(
        method="DELETE", path="/uploads/{upload}", handler=uploads.abort, tag="uploads",
        summary="Abort; what was sent is deleted.", answer=u.Upload, errors=_UPLOAD_ERRORS,
    ),
    Route(
        method="POST", path="/spaces/{space}/commits", handler=uploads.commit, tag="uploads",
        summary="Place blobs, folders and links at names, with an answer for each.",
        request=u.Commit, answer=u.Committed, idempotent=True, writes=True,
        errors=("quota-exceeded", "store-unavailable"),
    ),
)  # fmt: skip

ROUTES: tuple[Route, ...] = (*ACCOUNT, *SPACES, *NODES, *CONTENT, *UPLOADS)
