"""The journal of a space, as sync clients read it."""

from __future__ import annotations

from datetime import datetime

from .fields import Answer

__all__ = ["Change", "Changes"]


class Change(Answer, frozen=True, kw_only=True):
    seq: int
    node: str
    change: str
    """create, content, move, meta, trash, restore or delete."""
    kind: str
    old_parent: str | None
    new_parent: str | None
    name: str
    version: str | None
    at: datetime


class Changes(Answer, frozen=True, kw_only=True):
    items: list[Change]
    cursor: str
    more: bool
    fork: bool
    """The cursor's mark isn't in this journal (restore, lost fail-over): unite, never delete."""
