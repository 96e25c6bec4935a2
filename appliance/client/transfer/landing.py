"""How fetched bytes become a file: beside it first, checked, then renamed into place.

A large file grows in `.NAME.stowbay-part`. What is in there is proven by its chunks' fingerprints
when a later run finds it, so there is no other record that could be wrong; chunks of another
version that happen to be the same count too. One run at a time: the part file is locked.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from appliance.client.errors import DiskFull, LocalFault, from_os, printable
from appliance.wire.nodes import Chunk, Node

__all__ = ["PartFile", "dress", "folder", "link", "part_name", "small"]

_STEP = 1 << 20


def part_name(local: str) -> str:
    folder, _, name = local.rpartition("/")
    part = f".{name}.stowbay-part"
    if len(os.fsencode(part)) > 255:
        part = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.stowbay-part"
    return f"{folder}/{part}"


def small(local: str, data: bytes | bytearray, node: Node) -> None:
    """A whole file at once."""
    part = part_name(local)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        _stamp(handle, node)
    except BaseException:
        with suppress(OSError):
            Path(part).unlink()
        raise
    finally:
        os.close(handle)
    os.replace(part, local)


def _stamp(handle: int, node: Node) -> None:
    os.fchmod(handle, node.mode)
    os.utime(handle, ns=(node.mtime_ns, node.mtime_ns))


def folder(local: str, _node: Node) -> None:
    """Its own mode comes with `dress`, when everything is in it."""
    try:
        os.mkdir(local, 0o700)
    except FileExistsError:
        mode = os.stat(local).st_mode
        if mode & 0o700 != 0o700:
            os.chmod(local, mode & 0o7777 | 0o700)


def dress(local: str, node: Node) -> None:
    os.chmod(local, node.mode)
    os.utime(local, ns=(node.mtime_ns, node.mtime_ns))


def link(local: str, node: Node) -> None:
    part = part_name(local)
    Path(part).unlink(missing_ok=True)
    os.symlink(node.target or "", part)  # pathlib would tidy the target up
    os.utime(part, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)
    os.replace(part, local)


class PartFile:
    """Threads write to it at once, each its own range."""

    def __init__(self, local: str, node: Node) -> None:
        self._local = local
        self._node = node
        self._path = part_name(local)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle = os.open(self._path, flags, 0o600)
        try:
            self._prepare()
        except BaseException:
            os.close(self._handle)
            raise

    def _prepare(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalFault(
                f"{printable(self._local)} is being fetched by another stowbay just now."
            ) from None
        state = os.fstat(self._handle)
        room = os.fstatvfs(self._handle)
        needed = self._node.size - state.st_blocks * 512
        if needed > room.f_bavail * room.f_frsize:
            raise DiskFull(
                f"{printable(self._local)} needs {needed} more bytes, and the disk has "
                f"{room.f_bavail * room.f_frsize} left."
            )
        os.ftruncate(self._handle, self._node.size)

    def proven(self, chunks: Sequence[Chunk]) -> set[int]:
        """Indices of the chunks that are in it already. Holes are passed over unread."""
        good: set[int] = set()
        room = memoryview(bytearray(_STEP))
        for chunk in chunks:
            if self._is_hole(chunk):
                continue
            digest, at, end = hashlib.sha256(), chunk.offset, chunk.offset + chunk.length
            while at < end:
                count = os.preadv(self._handle, [room[: min(_STEP, end - at)]], at)
                if not count:
                    break
                digest.update(room[:count])
                at += count
            if digest.hexdigest() == chunk.sha256:
                good.add(chunk.index)
        return good

    def _is_hole(self, chunk: Chunk) -> bool:
        try:
            return os.lseek(self._handle, chunk.offset, os.SEEK_DATA) >= chunk.offset + chunk.length
        except OSError as error:
            return error.errno == errno.ENXIO

    def write(self, piece: memoryview, at: int) -> None:
        """Raises LocalFault: an OSError here would look like one of the connection."""
        try:
            while piece:
                count = os.pwrite(self._handle, piece, at)
                piece, at = piece[count:], at + count
        except OSError as error:
            raise from_os(error, self._local) from error

    def land(self) -> None:
        _stamp(self._handle, self._node)
        Path(self._path).replace(self._local)

    def close(self) -> None:
        """Without `land` the part file stays, for the next run."""
        os.close(self._handle)
