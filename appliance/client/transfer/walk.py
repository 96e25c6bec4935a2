"""What is on the local disk, as a list: folders before what is in them, names in order.

Links are kept as links and never followed. What can't be stored (devices, sockets, pipes, names
that aren't Unicode or that Stowbay refuses, unreadable folders, two names that are one after NFC)
is listed as refused with the reason, and the walk goes on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.client.errors import NotStored, from_os, printable
from appliance.client.transfer.excludes import Excludes
from appliance.domain.errors import InvalidName, Problem
from appliance.domain.names import check_name, check_target

__all__ = ["Entry", "Refused", "entry_of", "walk"]

Kind = Literal["file", "folder", "link"]

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    local: str
    path: str  # absolute path in the space, names in NFC
    kind: Kind
    size: int  # of a file; else 0
    mtime_ns: int
    mode: int
    target: str | None  # of a link


@dataclass(frozen=True, slots=True)
class Refused:
    local: str
    problem: Problem


def entry_of(local: str, path: str) -> Entry:
    """Of one local thing. Raises NotStored, InvalidName, LocalFault."""
    try:
        state = os.lstat(local)
        target = _target(local) if stat.S_ISLNK(state.st_mode) else None
    except OSError as error:
        raise from_os(error, local) from error
    return _entry(local, path, state, target)


def walk(local: str, path: str, excludes: Excludes) -> Iterator[Entry | Refused]:
    """The folder `local` itself, stored at `path`, and all below it."""
    yield entry_of(local, path)
    todo = [(local, path, "")]
    while todo:
        folder, place, below = todo.pop()
        try:
            with os.scandir(folder) as found:
                items = sorted(found, key=lambda item: item.name)
        except OSError as error:
            yield Refused(folder, from_os(error, folder))
            continue
        taken: dict[str, str] = {}
        deeper: list[tuple[str, str, str]] = []
        for item in items:
            relative = f"{below}{item.name}"
            is_folder = item.is_dir(follow_symlinks=False)
            if excludes.match(relative, is_folder):
                continue
            made = _item(item, place, taken)
            yield made
            if is_folder and isinstance(made, Entry):
                deeper.append((item.path, made.path, relative + "/"))
        todo.extend(reversed(deeper))


def _item(item: os.DirEntry[str], place: str, taken: dict[str, str]) -> Entry | Refused:
    try:
        name = check_name(item.name)
        if (twin := taken.setdefault(name, item.name)) != item.name:
            raise NotStored(
                f"{printable(item.path)} and {printable(twin)} have the same name in Unicode's "
                "normal form. Rename one of them."
            )
        state = item.stat(follow_symlinks=False)
        target = _target(item.path) if item.is_symlink() else None
        return _entry(item.path, f"{place.rstrip('/')}/{name}", state, target)
    except OSError as error:
        return Refused(item.path, from_os(error, item.path))
    except InvalidName as problem:
        return Refused(item.path, InvalidName(f"{printable(item.path)}: {problem.detail}"))
    except Problem as problem:
        return Refused(item.path, problem)


def _target(path: str) -> str:
    """As it is: pathlib would tidy it up ("./a//b" to "a/b")."""
    return os.readlink(path)


def _entry(local: str, path: str, state: os.stat_result, target: str | None) -> Entry:
    mode = stat.S_IMODE(state.st_mode)
    if stat.S_ISREG(state.st_mode):
        return Entry(local, path, "file", state.st_size, state.st_mtime_ns, mode, None)
    if stat.S_ISDIR(state.st_mode):
        return Entry(local, path, "folder", 0, state.st_mtime_ns, mode, None)
    if target is not None:
        try:
            check_target(target)
        except InvalidName as problem:
            raise InvalidName(f"{printable(local)}: {problem.detail}") from None
        return Entry(local, path, "link", 0, state.st_mtime_ns, mode, target)
    what = next((word for test, word in _SPECIAL if test(state.st_mode)), "no regular file")
    raise NotStored(f"{printable(local)} is {what}; only files, folders and links are stored.")
