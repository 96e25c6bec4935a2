"""What a client asks a commit for, parsed: ids decoded, names and link targets checked."""

from __future__ import annotations

import hashlib

from appliance.domain import ids
from appliance.domain.commits import Kind, Target
from appliance.domain.errors import InvalidBody, NotFound
from appliance.domain.names import check_name, check_target
from appliance.wire.uploads import CommitTarget

__all__ = ["parse_target"]

_NO_BYTES = hashlib.sha256(b"").digest()


def parse_target(space_id: int, asked: CommitTarget) -> Target:
    """Raises a Problem that concerns this target alone."""
    kind = Kind(asked.kind)
    if kind is Kind.LINK and asked.target is None:
        raise InvalidBody("A link needs a target.")
    if kind is not Kind.LINK and asked.target is not None:
        raise InvalidBody("Only a link has a target.")
    if kind is not Kind.FILE and asked.upload is not None:
        raise InvalidBody("Only a file has an upload.")
    return Target(
        kind=kind,
        parent_id=_here(space_id, "n", asked.parent),
        name=check_name(asked.name),
        base_version=_here(space_id, "v", asked.base) if asked.base else None,
        blob_id=_here(space_id, "u", asked.upload) if asked.upload else None,
        sha256=_NO_BYTES if kind is Kind.FILE and not asked.upload else None,
        mtime_ns=asked.mtime_ns,
        mode=asked.mode,
        link_target=check_target(asked.target) if asked.target is not None else None,
    )


def _here(space_id: int, kind: str, text: str) -> int:
    found_space, found = ids.decode(kind, text)
    if found_space != space_id:
        raise NotFound("There is nothing with this id.")
    return found
