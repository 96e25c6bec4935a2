"""Where something goes: the rules of cp, made safe to say twice.

    a trailing slash, or several sources    into the destination, under its own name
    the destination is no folder            it becomes the destination
    the destination is a folder             into it, under its own name ...
      ... unless an earlier run of the same command made it: then that run is continued.

The exception is for a folder put to (or fetched to) a new name: the destination exists the second
time, and cp would nest a second copy in it. A destination counts as made by an earlier run if it
has nothing of the source's own name in it, and either has the source's very mtime or shares more
than half of its names with it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["Destination", "Existing", "continues", "place"]


@dataclass(frozen=True, slots=True)
class Existing:
    """A destination that is a folder, as far as the rules look at it."""

    mtime_ns: int
    names: Collection[str]


@dataclass(frozen=True, slots=True)
class Destination:
    """`name` None: the destination itself; else below it, under that name."""

    name: str | None
    continued: bool = False


def place(
    own_name: str | None,
    source: Existing | None,
    destination: Existing | None,
    *,
    into: bool,
) -> Destination:
    """`own_name` None: the source has none ("." or a space's root), its content goes there.

    `source` is None for a file or link, `destination` is None unless it is a folder.
    """
    if own_name is None:
        return Destination(None)
    if into:
        return Destination(own_name)
    if destination is None:
        return Destination(None)
    if source is not None and continues(own_name, source, destination):
        return Destination(None, continued=True)
    return Destination(own_name)


def continues(own_name: str, source: Existing, destination: Existing) -> bool:
    if own_name in destination.names:
        return False
    if source.mtime_ns == destination.mtime_ns:
        return True
    shared = sum(name in source.names for name in destination.names)
    return shared * 2 > len(destination.names)
