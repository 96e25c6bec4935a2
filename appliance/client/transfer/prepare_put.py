"""From a command's words to a PutPlan: where each source goes, what is there, what is to be done.

Folders of the destination that don't exist are made, like `mkdir -p` would.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.client.cutter import cut_file
from appliance.client.errors import InTheWay, from_os, printable
from appliance.client.transfer import plan as planning
from appliance.client.transfer.commit import folder_of
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.plan import PutPlan
from appliance.client.transfer.snapshot import Snapshot, below, take
from appliance.client.transfer.target import Existing, place
from appliance.client.transfer.walk import Entry, Refused, entry_of, walk
from appliance.client.tree import TreeCalls
from appliance.domain.errors import InvalidName, Problem
from appliance.domain.names import check_name, split_path

__all__ = ["PutOptions", "absolute", "own_name", "prepare_put"]


@dataclass(frozen=True, slots=True)
class PutOptions:
    excludes: Excludes
    checksum: bool = False
    explain: Callable[[str], None] = lambda _: None


def absolute(path: str) -> str:
    """A path of a space as it is compared: one slash between checked names, none at the end."""
    return "/" + "/".join(split_path(path))


def own_name(local: str) -> str | None:
    """What the source is called in a folder; None: it has no name (".", "x/..", "/")."""
    name = local.rstrip("/").rpartition("/")[2]
    return None if name in ("", ".", "..") else name


async def prepare_put(
    tree: TreeCalls, locals_: Sequence[str], remote: str, options: PutOptions
) -> tuple[PutPlan, dict[str, str]]:
    """The plan, and the folders that exist (path -> node). Raises only for the destination."""
    into = remote.endswith("/") or len(locals_) > 1
    destination = absolute(remote)
    known = await _ancestors(tree, destination)
    entries: list[Entry | Refused] = []
    for local in locals_:
        try:
            entries += await _source(tree, local, destination, known, into, options)
        except Problem as problem:
            entries.append(Refused(local, problem))
    made = [entry for entry in entries if isinstance(entry, Entry)]
    missing = _missing(made, known)
    there = await take(tree, known, made)
    sha256_of = _sha256 if options.checksum else None
    plan = await asyncio.to_thread(planning.make, [*missing, *entries], there, sha256_of)
    return plan, {path: node.id for path, node in there.items() if node.kind == "folder"}


async def _ancestors(tree: TreeCalls, path: str) -> Snapshot:
    """Whatever exists from the root down to `path`."""
    found: Snapshot = {"/": await tree.resolve("/")}
    at = "/"
    for name in split_path(path):
        at = below(at, name)
        node = await tree.resolve_or_none(at)
        if node is None:
            break
        found[at] = node
        if node.kind != "folder":
            if at != path:
                raise InTheWay(f"{at} is a {node.kind} in the space, not a folder.")
            break
    return found


async def _source(
    tree: TreeCalls,
    local: str,
    destination: str,
    known: Snapshot,
    into: bool,
    options: PutOptions,
) -> list[Entry | Refused]:
    entry = entry_of(local.rstrip("/") or "/", destination)
    folder = known.get(destination)
    existing = None
    if folder is not None and folder.kind == "folder":
        existing = Existing(folder.mtime_ns, ())
        if entry.kind == "folder" and not into:
            names = [child.name async for child in tree.children(folder.id)]
            existing = Existing(folder.mtime_ns, frozenset(names))
    source = None
    if entry.kind == "folder":
        source = Existing(entry.mtime_ns, await asyncio.to_thread(_names, entry.local))
    name = own_name(local)
    try:
        name = check_name(name) if name is not None else None
    except InvalidName as problem:
        raise InvalidName(f"{printable(local)}: {problem.detail}") from None
    decided = place(name, source, existing, into=into)
    path = destination if decided.name is None else below(destination, decided.name)
    if decided.continued:
        options.explain(f"{path} is an earlier copy of {printable(local)}: going on with it")
    if entry.kind != "folder":
        return [entry_of(entry.local, path)]
    return await asyncio.to_thread(lambda: list(walk(entry.local, path, options.excludes)))


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError as error:
        raise from_os(error, folder) from error


def _missing(entries: Sequence[Entry], known: Snapshot) -> list[Entry]:
    """Folders above the sources that nothing else makes, parents first."""
    own = {entry.path for entry in entries if entry.kind == "folder"}
    wanted: set[str] = set()
    for entry in entries:
        path = folder_of(entry.path)
        while path not in known and path not in own and path not in wanted:
            wanted.add(path)
            path = folder_of(path)
    now = time.time_ns()
    return [Entry(path, path, "folder", 0, now, 0o755, None) for path in sorted(wanted)]


def _sha256(entry: Entry) -> str:
    """Reads the file; one that can't be read counts as different, and the put says why."""
    try:
        cut, _ = cut_file(str(Path(entry.local)))
    except (OSError, Problem):
        return ""
    return cut.sha256.hex()
