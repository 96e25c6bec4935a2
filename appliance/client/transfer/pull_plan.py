"""What a get has to do: the space's tree against what is on the local disk.

A local file with the same size and mtime is left alone. Nothing is ever written through a local
symbolic link or outside the destination: names are checked although the server checked them, and a
folder whose place is taken by anything else is refused with all below it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.client.errors import InTheWay, from_os, printable
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.snapshot import below
from appliance.client.tree import TreeCalls
from appliance.domain.errors import InvalidName, Problem
from appliance.domain.names import check_name
from appliance.wire.nodes import Node

__all__ = ["PullJob", "PullPlan", "Remote", "descend", "make"]


@dataclass(frozen=True, slots=True)
class Remote:
    node: Node
    path: str  # in the space
    local: str


@dataclass(frozen=True, slots=True)
class PullJob:
    remote: Remote
    why: str
    version: str | None = None  # another than the current one


@dataclass(slots=True)
class PullPlan:
    folders: list[Remote] = field(default_factory=list)  # parents first; also those that exist
    links: list[Remote] = field(default_factory=list)
    files: list[PullJob] = field(default_factory=list)
    same: list[tuple[Remote, str]] = field(default_factory=list)
    failed: list[tuple[Remote, Problem]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(job.remote.node.size for job in self.files)


async def descend(tree: TreeCalls, root: Remote, excludes: Excludes) -> AsyncIterator[Remote]:
    """`root` and, of a folder, everything below it: folders before what is in them."""
    yield root
    level = {root.node.id: (root, "")} if root.node.kind == "folder" else {}
    while level:
        deeper: dict[str, tuple[Remote, str]] = {}
        async for node in tree.listing(list(level)):
            above, relative = level[node.parent or ""]
            mine = f"{relative}{node.name}"
            if excludes.match(mine, node.kind == "folder"):
                continue
            local = f"{above.local.rstrip('/') or ''}/{node.name}"
            found = Remote(node, below(above.path, node.name), local)
            yield found
            if node.kind == "folder":
                deeper[node.id] = (found, mine + "/")
        level = deeper


def make(found: list[Remote], *, checks_names: bool = True) -> PullPlan:
    """Reads the local disk. The first of `found` is where the caller decided: its name is his."""
    plan = PullPlan()
    blocked: set[str] = set()
    for place, remote in enumerate(found):
        above = remote.local.rpartition("/")[0]
        try:
            if place and above in blocked:
                raise InTheWay(f"{printable(remote.local)}: its folder can't be made.")
            if place and checks_names:
                _check(remote)
            _sort(plan, remote, followed=not place)
        except Problem as problem:
            plan.failed.append((remote, problem))
            blocked.add(remote.local)
        except OSError as error:
            plan.failed.append((remote, from_os(error, remote.local)))
            blocked.add(remote.local)
    return plan


def _check(remote: Remote) -> None:
    if check_name(remote.node.name) != remote.node.name:
        raise InvalidName(f"The server gave a name that can't be: {printable(remote.node.name)}.")


def _sort(plan: PullPlan, remote: Remote, *, followed: bool) -> None:
    """`followed`: the destination itself may be a link to a folder; nothing below may."""
    node = remote.node
    there = _lstat(remote.local)
    if node.kind == "folder":
        taken = there is not None and not stat.S_ISDIR(there.st_mode)
        if taken and not (followed and Path(remote.local).is_dir()):
            raise _in_the_way(remote)
        plan.folders.append(remote)
    elif there is None:
        if node.kind == "link":
            plan.links.append(remote)
        else:
            plan.files.append(PullJob(remote, "it isn't here yet"))
    elif node.kind == "link":
        _link(plan, remote, there)
    else:
        _file(plan, remote, there)


def _link(plan: PullPlan, remote: Remote, there: os.stat_result) -> None:
    if not stat.S_ISLNK(there.st_mode):
        raise _in_the_way(remote)
    if os.readlink(remote.local) == remote.node.target:  # pathlib would tidy it up
        plan.same.append((remote, "the link is here"))
    else:
        plan.links.append(remote)


def _file(plan: PullPlan, remote: Remote, there: os.stat_result) -> None:
    if not stat.S_ISREG(there.st_mode):
        raise _in_the_way(remote)
    if there.st_size != remote.node.size:
        plan.files.append(PullJob(remote, f"its size here is {there.st_size}"))
    elif there.st_mtime_ns != remote.node.mtime_ns:
        plan.files.append(PullJob(remote, "its mtime here differs"))
    else:
        plan.same.append((remote, "same size and mtime"))


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _in_the_way(remote: Remote) -> InTheWay:
    return InTheWay(
        f"{printable(remote.local)} is there and no {remote.node.kind}. Move it away first."
    )
