"""What a put has to do: decided before anything is sent, from two lists.

A file is left alone if size and mtime are those of the space's version (with `checksum`, if size
and SHA-256 are). Whatever else has its name there is in the way, and nothing below a folder that
can't be made is tried. The version seen here is the base of the commit: what somebody else
changes between now and then is a conflict, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appliance.client.errors import InTheWay
from appliance.client.transfer.snapshot import Snapshot
from appliance.client.transfer.walk import Entry, Refused
from appliance.domain.errors import Problem
from appliance.wire.nodes import Node

__all__ = ["FileJob", "PutPlan", "make"]

Sha256Of = Callable[[Entry], str]


@dataclass(frozen=True, slots=True)
class FileJob:
    entry: Entry
    base: str | None  # version to replace; None: the name is free
    why: str
    node: str | None = None  # whose version that is


@dataclass(slots=True)
class PutPlan:
    folders: list[Entry] = field(default_factory=list)  # parents first
    links: list[Entry] = field(default_factory=list)
    files: list[FileJob] = field(default_factory=list)
    same: list[tuple[Entry, str]] = field(default_factory=list)  # and why
    failed: list[tuple[str, Problem]] = field(default_factory=list)  # local path

    @property
    def bytes(self) -> int:
        return sum(job.entry.size for job in self.files)


def make(
    found: Iterable[Entry | Refused], there: Snapshot, sha256_of: Sha256Of | None = None
) -> PutPlan:
    """`sha256_of` makes it compare contents instead of mtimes."""
    plan = PutPlan()
    blocked: list[str] = []
    for entry in found:
        if isinstance(entry, Refused):
            plan.failed.append((entry.local, entry.problem))
            continue
        if any(entry.path.startswith(prefix) for prefix in blocked):
            plan.failed.append((entry.local, InTheWay(f"{entry.path}: its folder isn't there.")))
            continue
        node = there.get(entry.path)
        if node is None:
            _new(plan, entry)
        elif node.kind != entry.kind:
            plan.failed.append((entry.local, _in_the_way(entry, node)))
            if entry.kind == "folder":
                blocked.append(entry.path + "/")
        else:
            _present(plan, entry, node, sha256_of)
    return plan


def _new(plan: PutPlan, entry: Entry) -> None:
    if entry.kind == "folder":
        plan.folders.append(entry)
    elif entry.kind == "link":
        plan.links.append(entry)
    else:
        plan.files.append(FileJob(entry, None, "it isn't there yet"))


def _present(plan: PutPlan, entry: Entry, node: Node, sha256_of: Sha256Of | None) -> None:
    if entry.kind == "folder":
        plan.same.append((entry, "the folder is there"))
    elif entry.kind == "link":
        if entry.target == node.target:
            plan.same.append((entry, "the link is there"))
        else:
            problem = InTheWay(
                f"{entry.path} is a link to another target. Remove it first: stowbay rm"
            )
            plan.failed.append((entry.local, problem))
    elif why := _difference(entry, node, sha256_of):
        plan.files.append(FileJob(entry, node.version, why, node.id))
    else:
        same = "same sha256" if sha256_of else "same size and mtime"
        plan.same.append((entry, same))


def _difference(entry: Entry, node: Node, sha256_of: Sha256Of | None) -> str:
    """Empty: none."""
    if entry.size != node.size:
        return f"its size was {node.size}"
    if node.status != "uploaded":
        return f"the stored content is {node.status}"
    if sha256_of is None:
        return "" if entry.mtime_ns == node.mtime_ns else "its mtime differs"
    return "" if node.sha256 == sha256_of(entry) else "its sha256 differs"


def _in_the_way(entry: Entry, node: Node) -> InTheWay:
    return InTheWay(f"{entry.path} is a {node.kind} in the space, and a {entry.kind} here.")
