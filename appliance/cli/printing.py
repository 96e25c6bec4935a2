"""How answers are shown: lines for people, JSON for scripts; never a raw control character."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click
import msgspec

from appliance.cli.sizes import format_size
from appliance.client.errors import printable
from appliance.wire.nodes import Node

__all__ = ["as_json", "document", "json_text", "long_line", "print_json", "shown", "when"]

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", is_flag=True, help="A JSON document on standard output.")

shown = printable


def json_text(value: object) -> str:
    return msgspec.json.encode(value).decode("utf-8")


def print_json(value: object) -> None:
    """One document, indented; names are escaped by JSON itself."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8"))


def document(node: Node, path: str) -> dict[str, Any]:
    """A node as every --json shows it: its own fields, with the path it was found at."""
    fields: dict[str, Any] = msgspec.to_builtins(node)
    return {"id": fields.pop("id"), "path": path, **fields}


def when(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def long_line(node: Node, name: str) -> str:
    """Like ls -l: mode, size, time, name; and what a person should know of it."""
    kind = {"folder": "d", "link": "l"}.get(node.kind, "-")
    bits = "".join(
        char if node.mode >> (8 - place) & 1 else "-" for place, char in enumerate("rwxrwxrwx")
    )
    size = format_size(node.size) if node.kind == "file" else "-"
    time = when(datetime.fromtimestamp(node.mtime_ns / 1e9).astimezone())
    arrow = f" -> {shown(node.target or '')}" if node.kind == "link" else ""
    notes = [*node.flags, *([node.status] if node.status != "uploaded" else [])]
    mark = f"  [{', '.join(notes)}]" if notes else ""
    return f"{kind}{bits} {size:>10} {time} {shown(name)}{arrow}{mark}"
