"""stowbay stat"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from appliance.cli.printing import as_json, document, print_json, shown, when
from appliance.cli.session import Session, run
from appliance.cli.sizes import format_size
from appliance.client.transfer.prepare_put import absolute
from appliance.wire.nodes import Chunks, Node

__all__ = ["command"]


@click.command("stat")
@click.argument("path", metavar="/PATH")
@as_json
def command(path: str, json: bool) -> None:
    """All about one file, folder or link: id, size, sha256, version, chunks with their status."""
    place = absolute(path)

    async def work(session: Session) -> tuple[Node, Chunks | None]:
        node = await session.tree.resolve(place)
        if node.kind != "file" or not node.size:
            return node, None
        return node, await session.blobs.chunks(node.id, node.version)

    node, chunks = run(work)
    if json:
        fields: dict[str, Any] = document(node, place)
        if node.kind == "file":
            fields["chunk_class"] = chunks.chunk_class if chunks else 0
            fields["chunks"] = chunks.items if chunks else []
        print_json(fields)
        return
    lines = [
        ("path", shown(place)),
        ("kind", node.kind),
        ("id", node.id),
        ("mode", f"{node.mode:04o}"),
        ("modified", when(datetime.fromtimestamp(node.mtime_ns / 1e9).astimezone())),
        ("created", when(node.created_at)),
    ]
    if node.kind == "file":
        held = f"{len(chunks.items)} of class {chunks.chunk_class}" if chunks else "none"
        lines += [
            ("size", f"{node.size} ({format_size(node.size)})"),
            ("sha256", node.sha256 or "unknown"),
            ("status", node.status),
            ("version", node.version or ""),
            ("chunks", held),
        ]
    if node.kind == "link":
        lines.append(("target", shown(node.target or "")))
    if node.flags:
        lines.append(("flags", ", ".join(node.flags)))
    for label, value in lines:
        click.echo(f"{label:>9}  {value}")
