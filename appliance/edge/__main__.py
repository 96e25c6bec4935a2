"""python -m appliance.edge render --options FILE|- [--into DIR] [--dry-run]

Writes nginx's files for the options given as JSON (docs/reference/settings.md) and prints the name
of each file that changed, one a line; with --dry-run of each that would. nginx isn't told: check
with `nginx -t`, then reload. Exit codes: 0 done, 2 options or nginx that can't be used.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from appliance.edge import options as edge_options
from appliance.edge.capabilities import EdgeUnusable, probe
from appliance.edge.config import render

__all__ = ["changed", "place"]

_MODE = 0o600
_MODULES = "/usr/lib/nginx/modules"


def changed(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Names whose text differs from what lies there, or that others than the owner may open."""
    return [name for name, text in sorted(files.items()) if not _holds(folder / name, text)]


def place(path: Path, text: str) -> None:
    """In one step: whoever reads sees the old file or the new one; nobody else may at any time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    fresh.replace(path)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.stat().st_mode & 0o777 == _MODE and path.read_text("utf-8") == text
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="appliance.edge")
    verb = parser.add_subparsers(required=True).add_parser("render", help="write nginx's files")
    verb.add_argument("--options", required=True, metavar="FILE", help="JSON; - for stdin")
    verb.add_argument("--into", type=Path, metavar="DIR", help="default: config_dir of the options")
    verb.add_argument("--dry-run", action="store_true", help="only print what would change")
    verb.add_argument("--nginx", default="/usr/sbin/nginx", help="asked for its version")
    given = parser.parse_args()
    try:
        source = sys.stdin.buffer.read() if given.options == "-" else _read(given.options)
        options = edge_options.read(source)
        files = render(options, probe(given.nginx, Path(options.modules_dir or _MODULES)))
    except (EdgeUnusable, OSError, ValueError, msgspec.DecodeError) as error:
        sys.stderr.write(f"appliance.edge: {error}\n")
        return 2
    folder = given.into or Path(options.config_dir)
    for name in changed(folder, files):
        if not given.dry_run:
            place(folder / name, files[name])
        sys.stdout.write(f"{name}\n")
    return 0


def _read(name: str) -> bytes:
    return Path(name).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
