"""Cut a file by content and fingerprint it, in one read and in bounded memory.

The borders are FastCDC's (min, avg, max of the class; no bits looked at before min), so a chunk's
end depends on the bytes since its start alone. The package `fastcdc` scans; it wants a chunk's
bytes in one buffer, so the part below min, which it never looks at, is only addressed: the buffer
is an anonymous mapping whose untouched pages cost nothing. From class 4 on, where max - min passes
64 MiB, the scan begins anew every 64 MiB: part of the definition of a cut, for every client.

Memory is at most about 105 MiB (20 in class 0). Each chunk and the whole file are hashed at the
same time in two threads; hashlib gives up the lock while it works.

A file is the same file before and after when inode, size and mtime are: `Seen`.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastcdc.fastcdc_cy import chunk_generator

from appliance.client.errors import FileChanged, printable
from appliance.domain.chunking import Chunk, class_for_size, class_limits, fingerprint

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["Cut", "Seen", "cut_bytes", "cut_file", "cut_stream", "look"]

_WINDOW = 64 << 20
_LEAD = 40 << 20
_STEP = 1 << 20

Readinto = Callable[[memoryview], int]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file's identity at one moment; equal ones mean that nobody wrote in between."""

    size: int
    mtime_ns: int
    inode: int
    device: int


@dataclass(frozen=True, slots=True)
class Cut:
    chunk_class: int
    size: int
    chunks: tuple[Chunk, ...]
    sha256: bytes
    fingerprint: bytes


def look(path: str | int) -> Seen:
    """Of a path (a link isn't followed) or an open file."""
    state = os.fstat(path) if isinstance(path, int) else os.lstat(path)
    return Seen(state.st_size, state.st_mtime_ns, state.st_ino, state.st_dev)


def cut_file(
    path: str, least_class: int = 0, progress: Callable[[int], None] = lambda _: None
) -> tuple[Cut, Seen]:
    """In the class that the size asks for, or in `least_class` if that is higher.

    Raises FileChanged, OSError. `progress` is told of bytes read, from this thread.
    """
    with Path(path).open("rb", buffering=0) as file:
        before = look(file.fileno())
        cls = max(least_class, class_for_size(before.size))

        def read(into: memoryview) -> int:
            count = file.readinto(into) or 0
            progress(count)
            return count

        cut = cut_stream(read, cls)
        if cut.size != before.size or look(file.fileno()) != before:
            raise FileChanged(f"{printable(path)} changed while it was being read.")
    return cut, before


def cut_bytes(data: bytes) -> Cut:
    """Of a small file that is in memory: one chunk, whatever it holds."""
    digest = hashlib.sha256(data).digest()
    chunks = (Chunk(len(data), digest),) if data else ()
    return Cut(0, len(data), chunks, digest, fingerprint(0, chunks))


def cut_stream(read: Readinto, chunk_class: int) -> Cut:
    """Cuts whatever `read` gives, to its end (0 bytes). Blocks; meant for a thread of its own."""
    with ThreadPoolExecutor(1) as of_chunk, ThreadPoolExecutor(1) as of_whole:
        scan = _Scan(read, chunk_class, of_chunk, of_whole)
        chunks = scan.run()
    return Cut(
        chunk_class=chunk_class,
        size=sum(chunk.length for chunk in chunks),
        chunks=chunks,
        sha256=scan.whole.digest(),
        fingerprint=fingerprint(chunk_class, chunks),
    )


class _Room:
    """A buffer: `lead` takes what isn't scanned, the window from min on what is."""

    def __init__(self, low: int, span: int) -> None:
        self.all = memoryview(mmap.mmap(-1, low + span))
        self.lead = self.all[: min(low, _LEAD)]
        self.window = self.all[low:]
        self.busy: list[Future[None]] = []

    def wait(self) -> None:
        for job in self.busy:
            job.result()
        self.busy.clear()


class _Scan:
    """Low classes alternate between rooms: while one is hashed, the next is filled.

    Each hasher is one thread, so what is fed to it is hashed in that order.
    """

    def __init__(
        self,
        read: Readinto,
        chunk_class: int,
        of_chunk: ThreadPoolExecutor,
        of_whole: ThreadPoolExecutor,
    ) -> None:
        self._read = read
        self._of_chunk = of_chunk
        self._of_whole = of_whole
        self._low, self._avg, self._high = class_limits(chunk_class)
        self._span = min(self._high - self._low, _WINDOW)
        count = 3 if chunk_class == 0 else 2 if chunk_class < 3 else 1
        self._rooms = [_Room(self._low, self._span) for _ in range(count)]
        self._rest = (self._rooms[0], memoryview(b""))
        self.whole = hashlib.sha256()

    def run(self) -> tuple[Chunk, ...]:
        found: list[tuple[int, _Hash]] = []
        for room in itertools.cycle(self._rooms):
            digest = hashlib.sha256()
            length = self._skip(room, digest)
            if length == self._low:
                length += self._search(room, digest)
            if length == 0:
                break
            found.append((length, digest))
        for room in self._rooms:
            room.wait()
        return tuple(Chunk(length, digest.digest()) for length, digest in found)

    def _skip(self, room: _Room, digest: _Hash) -> int:
        """Up to min bytes; less only at the end. First comes what the last search left over."""
        home, rest = self._rest
        self._rest = (room, memoryview(b""))
        self._feed(home, rest, digest)
        length = len(rest)
        room.wait()
        while length < self._low:
            place = room.lead[: self._low - length]
            got = self._fill(place)
            self._feed(room, place[:got], digest)
            length += got
            if got < len(place):
                break
            if length < self._low:
                room.wait()
        return length

    def _search(self, room: _Room, digest: _Hash) -> int:
        """From min to the border: found, at max, or at the end."""
        length, most = 0, self._high - self._low
        while length < most:
            place = room.window[: most - length]
            got = self._fill(place)
            end = self._border(room, got) if got else 0
            self._feed(room, place[:end], digest)
            length += end
            if end < len(place):
                self._rest = (room, place[end:got])
                break
            if length < most:
                room.wait()
        return length

    def _border(self, room: _Room, got: int) -> int:
        size = self._low + got
        scanned = chunk_generator(room.all[:size], self._low, self._avg, size, False, None)
        return int(next(scanned).length) - self._low

    def _feed(self, room: _Room, data: memoryview, digest: _Hash) -> None:
        if data:
            room.busy.append(self._of_chunk.submit(digest.update, data))
            room.busy.append(self._of_whole.submit(self.whole.update, data))

    def _fill(self, place: memoryview) -> int:
        """Less than the place holds only at the end."""
        got = 0
        while got < len(place) and (count := self._read(place[got : got + _STEP])):
            got += count
        return got
