"""A real tree of at least 20,000 files and 1 GiB, made of what this machine's packages brought."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["differences", "gather"]

MIN_FILES = 20_000
MIN_BYTES = 1 << 30


def _sources() -> Iterator[Path]:
    """Documentation with its links and case twins first, then toolchains and libraries."""
    yield Path("/usr/share/doc")
    yield Path(sys.base_prefix) / "lib"
    go = shutil.which("go")
    if go is not None:
        told = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True)
        yield Path(told.stdout.strip())
    yield Path(sys.prefix) / "lib"
    yield Path(sys.prefix) / "bin"
    yield from (Path("/usr/share"), Path("/usr/lib"), Path("/usr/bin"))


def gather(folder: Path, files: int = MIN_FILES, size: int = MIN_BYTES) -> tuple[int, int]:
    """Copy sources into `folder` until both bounds are reached; (files, bytes) gathered."""
    count = total = 0
    for number, source in enumerate(_sources()):
        if not source.is_dir():
            continue
        found, held = _copy(source, folder / f"{number}-{source.name}", files - count, size - total)
        count, total = count + found, total + held
        if count >= files and total >= size:
            return count, total
    raise RuntimeError(f"only {count} files, {total} bytes on this machine")


def _copy(source: Path, target: Path, files: int, size: int) -> tuple[int, int]:
    count = total = 0
    for folder, folders, names in os.walk(source):
        here = target / Path(folder).relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in [*names, *linked]:
            path = Path(folder) / name
            if not (path.is_symlink() or path.is_file()):
                continue
            shutil.copy2(path, here / name, follow_symlinks=False)
            count += 1
            total += 0 if path.is_symlink() else path.stat().st_size
        if count >= files and total >= size:
            break
    return count, total


def differences(first: Path, second: Path) -> list[str]:
    """Names whose kind, bytes, link target, mode or mtime (files) differ, or that one lacks."""
    mine, other = _walk(first), _walk(second)
    both = sorted(mine.keys() & other.keys())
    return sorted(mine.keys() ^ other.keys()) + [name for name in both if mine[name] != other[name]]


def _walk(top: Path) -> dict[str, tuple[object, ...]]:
    import hashlib

    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(top):
        for name in [*folders, *names]:
            path = Path(folder) / name
            key = str(path.relative_to(top))
            if path.is_symlink():
                found[key] = ("link", str(path.readlink()))
            elif path.is_dir():
                found[key] = ("folder",)
            else:
                with path.open("rb") as source:
                    digest = hashlib.file_digest(source, "sha256").hexdigest()
                state = path.stat()
                found[key] = ("file", digest, state.st_mode & 0o777, state.st_mtime_ns)
    return found
