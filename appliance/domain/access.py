"""Who may do what in a space.

For now only its owner may do anything. A share will be a level granted on a node and valid for
all below it; the highest level on the way up to the root counts, and the owner's is the highest.

A user with no level at all gets NotFound, the same as for what doesn't exist: ids must not become
a way to ask what others have. Forbidden is for those who can see the thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from appliance.domain.errors import Forbidden, NotFound

__all__ = ["Caller", "Level", "level", "require"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, as the token told; `space_id` is the user's own space."""

    user_id: int
    token_id: int
    space_id: int
    role: str
    login: str
    device: str


class Level(IntEnum):
    NONE = 0
    READ = 1
    WRITE = 2
    OWNER = 3


def level(user_id: int, owner_id: int, grants: Iterable[Level] = ()) -> Level:
    """`grants`: the levels of the shares found on the node and its ancestors, in any order."""
    if user_id == owner_id:
        return Level.OWNER
    return max(grants, default=Level.NONE)


def require(has: Level, needs: Level) -> None:
    assert needs > Level.NONE
    if has is Level.NONE:
        raise NotFound("There is nothing with this id.")
    if has < needs:
        raise Forbidden(f"This needs the right to {needs.name.lower()}.")
