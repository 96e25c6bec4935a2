"""apt's index of a flat repository: Packages and Release (the format: DebianRepository/Format in
Debian's wiki). The same packages and the same time give the same bytes."""

from __future__ import annotations

import email.utils
import hashlib
from collections.abc import Iterable, Mapping

__all__ = ["packages_text", "release_text"]


def packages_text(entries: Iterable[tuple[str, str, int, str]]) -> str:
    """Of each package its control file's text, the file's path in the repository, its size in
    bytes and its SHA-256."""
    blocks = [
        f"{control.rstrip()}\nFilename: ./{path}\nSize: {size}\nSHA256: {digest}\n"
        for control, path, size, digest in sorted(entries, key=lambda each: each[1])
    ]
    return "\n".join(blocks)


def release_text(files: Mapping[str, bytes], version: str, seconds: int) -> str:
    """`files` are the indexes by name; `seconds` since the epoch is the repository's time."""
    lines = [
        "Origin: Stowbay",
        "Label: Stowbay",
        "Suite: bundle",
        "Codename: trixie",
        f"Version: {version}",
        f"Date: {email.utils.formatdate(seconds, usegmt=True).replace('GMT', 'UTC')}",
        "Architectures: all amd64",
        "SHA256:",
    ]
    for name, content in sorted(files.items()):
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
    return "\n".join(lines) + "\n"
