"""Borders equal those of the package on the whole buffer, in bounded memory, in one read."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fastcdc.fastcdc_cy import fastcdc_cy

from appliance.client import cutter
from appliance.client.errors import FileChanged
from appliance.domain.chunking import Chunk, check_chunks, class_limits, fingerprint

MIB = 1 << 20


def reader(data: bytes, step: int) -> Callable[[memoryview], int]:
    at = 0

    def read(into: memoryview) -> int:
        nonlocal at
        count = min(len(into), step, len(data) - at)
        into[:count] = data[at : at + count]
        at += count
        return count

    return read


def whole(data: bytes, cls: int) -> tuple[Chunk, ...]:
    low, avg, high = class_limits(cls)
    return tuple(
        Chunk(c.length, hashlib.sha256(data[c.offset : c.offset + c.length]).digest())
        for c in fastcdc_cy(data, low, avg, high)
    )


@pytest.mark.parametrize("cls", [0, 1, 2])
@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 63 * MIB + 7])
def test_the_borders_are_those_of_the_whole_buffer(cls: int, size: int) -> None:
    data = random.Random(size).randbytes(size)
    cut = cutter.cut_stream(reader(data, MIB - 3), cls)
    assert cut.chunks == whole(data, cls)
    assert cut.sha256 == hashlib.sha256(data).digest()
    assert cut.fingerprint == fingerprint(cls, cut.chunks)
    assert cut.size == size
    check_chunks(size, cls, cut.chunks)


def test_content_without_any_border_is_cut_at_max() -> None:
    cut = cutter.cut_stream(reader(bytes(25 * MIB), MIB), 0)
    assert [c.length for c in cut.chunks] == [10 * MIB, 10 * MIB, 5 * MIB]


def test_an_insert_at_the_front_leaves_the_later_chunks_as_they_were() -> None:
    data = random.Random(1).randbytes(80 * MIB)
    before = cutter.cut_stream(reader(data, MIB), 0).chunks
    after = cutter.cut_stream(reader(b"inserted" + data, MIB), 0).chunks
    assert len(set(before) & set(after)) >= len(before) - 3


def test_a_high_class_begins_its_scan_anew_every_64_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a small window in class 0: the same limits hold and nothing is lost."""
    monkeypatch.setattr(cutter, "_WINDOW", 1 * MIB)
    monkeypatch.setattr(cutter, "_LEAD", 2 * MIB)
    data = random.Random(2).randbytes(60 * MIB + 11)
    cut = cutter.cut_stream(reader(data, MIB), 0)
    check_chunks(len(data), 0, cut.chunks)
    at = 0
    for chunk in cut.chunks:
        assert hashlib.sha256(data[at : at + chunk.length]).digest() == chunk.sha256
        at += chunk.length
    assert at == len(data)
    assert cut.sha256 == hashlib.sha256(data).digest()


def test_a_small_file_in_memory_is_cut_as_a_stream_would() -> None:
    for data in (b"", b"x", bytes(100_000)):
        assert cutter.cut_bytes(data) == cutter.cut_stream(reader(data, 4096), 0)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(12 * MIB))
    told = 0

    def grow(count: int) -> None:
        nonlocal told
        told += count
        if told == count:
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(FileChanged, match="log changed"):
        cutter.cut_file(str(path), progress=grow)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(30 * MIB))

    def shrink(count: int) -> None:
        if count and path.stat().st_size > MIB:
            with path.open("r+b") as file:
                file.truncate(MIB)

    with pytest.raises(FileChanged):
        cutter.cut_file(str(path), progress=shrink)


def test_an_unchanged_file_is_cut_with_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    cut, seen = cutter.cut_file(str(path))
    assert (cut.size, seen.size) == (7, 7)
    assert seen == cutter.look(str(path))
