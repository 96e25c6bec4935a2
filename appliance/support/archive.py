"""The one file: a gzipped tar that appears whole or not at all, and never over another.

The name is reserved first, so that two at once can't both have it; what is written lies beside it
until all of it is on disk. Nobody but its owner can read it at any time.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from appliance.domain.errors import Conflict

__all__ = ["write_archive"]


def write_archive(path: Path, folder: str, files: Mapping[str, bytes], at: datetime) -> None:
    """`folder`: the one all files lie in. Raises Conflict when there is something at `path`,
    OSError when it can't be written."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise Conflict(f"{path} is there already; it is not overwritten") from error
    fresh = path.with_name(f".{path.name}.writing")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            with tarfile.open(fileobj=handle, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
                for name, content in files.items():
                    archive.addfile(_member(f"{folder}/{name}", content, at), io.BytesIO(content))
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _member(name: str, content: bytes, at: datetime) -> tarfile.TarInfo:
    """Without names and numbers of users of this host."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o600
    member.mtime = int(at.timestamp())
    return member
