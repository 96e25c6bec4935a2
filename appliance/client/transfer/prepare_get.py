"""From a command's words to a PullPlan."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from appliance.client.errors import InTheWay, LocalFault, from_os, printable
from appliance.client.transfer import pull_plan
from appliance.client.transfer.excludes import Excludes
from appliance.client.transfer.landing import part_name
from appliance.client.transfer.prepare_put import absolute
from appliance.client.transfer.pull_plan import PullJob, PullPlan, Remote
from appliance.client.transfer.target import Existing, place
from appliance.client.tree import HistoryCalls, TreeCalls
from appliance.domain.errors import BadRequest, NotFound
from appliance.wire.nodes import Node

__all__ = ["GetOptions", "prepare_get"]


@dataclass(frozen=True, slots=True)
class GetOptions:
    excludes: Excludes
    version: str | None = None
    explain: Callable[[str], None] = lambda _: None


async def prepare_get(
    tree: TreeCalls,
    history: HistoryCalls,
    remotes: Sequence[str],
    local: str,
    options: GetOptions,
) -> PullPlan:
    """Nothing is fetched unless every source exists: a typing error shows before the work."""
    into = local.endswith("/") or len(remotes) > 1
    paths = [absolute(remote) for remote in remotes]
    nodes = [await tree.resolve(path) for path in paths]
    if options.version is not None and (len(nodes) != 1 or nodes[0].kind != "file"):
        raise BadRequest("--version is for one file.")
    whole = PullPlan()
    for path, node in zip(paths, nodes, strict=True):
        remote = Remote(node, path, await _where(tree, path, node, local, into, options))
        if options.version is not None:
            whole.files.append(await _of_version(history, remote, options.version))
            continue
        found = [one async for one in pull_plan.descend(tree, remote, options.excludes)]
        plan = await asyncio.to_thread(pull_plan.make, found)
        whole.folders += plan.folders
        whole.links += plan.links
        whole.files += plan.files
        whole.same += plan.same
        whole.failed += plan.failed
    if into:
        _make_folder(local)
    return whole


async def _where(
    tree: TreeCalls, path: str, node: Node, local: str, into: bool, options: GetOptions
) -> str:
    name = path.rpartition("/")[2] or None
    base, destination = _existing(local)
    source = None
    if node.kind == "folder":
        names: frozenset[str] = frozenset()
        if destination is not None and not into:
            names = frozenset([child.name async for child in tree.children(node.id)])
            destination = Existing(destination.mtime_ns, _begun(destination.names, names))
        source = Existing(node.mtime_ns, names)
    decided = place(name, source, destination, into=into)
    found = base if decided.name is None else f"{base.rstrip('/')}/{decided.name}"
    if decided.continued:
        options.explain(f"{printable(found)} is an earlier copy of {path}: going on with it")
    if not into:
        _check_above(found)
    return found


def _begun(there: Collection[str], wanted: Collection[str]) -> frozenset[str]:
    """What is there, with a file that is still growing under its own name."""
    growing = {part_name(f"/{name}")[1:]: name for name in wanted}
    return frozenset(growing.get(name, name) for name in there)


def _existing(local: str) -> tuple[str, Existing | None]:
    """The absolute path, links unresolved; and what is there, if it is a folder."""
    base = os.path.abspath(local)
    try:
        if not Path(base).is_dir():
            return base, None
        state = Path(base).stat()
        return base, Existing(state.st_mtime_ns, frozenset(os.listdir(base)))
    except OSError as error:
        raise from_os(error, local) from error


def _check_above(path: str) -> None:
    above = Path(path).parent
    if not above.is_dir():
        raise LocalFault(f"{printable(str(above))}: there is no such folder.")


def _make_folder(local: str) -> None:
    try:
        os.makedirs(local, exist_ok=True)
    except FileExistsError:
        raise InTheWay(f"{printable(local)} is no folder.") from None
    except OSError as error:
        raise from_os(error, local) from error


async def _of_version(history: HistoryCalls, remote: Remote, wanted: str) -> PullJob:
    """An older version keeps its own size, mtime and mode. A number counts back: 1 is current."""
    number = 0
    async for version in history.versions(remote.node.id):
        number += 1
        if wanted in (version.id, str(number)):
            node = msgspec.structs.replace(
                remote.node,
                size=version.size,
                mtime_ns=version.mtime_ns,
                mode=version.mode,
                sha256=version.sha256,
                version=version.id,
            )
            return PullJob(replace(remote, node=node), "a version was asked for", version.id)
    raise NotFound(f"{remote.path} has no version {wanted}. List them: stowbay versions")
