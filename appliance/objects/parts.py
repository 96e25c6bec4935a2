"""Listing a range of an upload's parts, whatever each store makes of ListParts.

Four traps, each reproduced on the real store:
  - MinIO answers with nothing at all when the marker is the number of a part that isn't there
    (parts arrive in any order, so first - 1 often isn't): then an earlier marker is tried, in
    growing steps, at the latest 0, which always works.
  - SeaweedFS lists a part once for each time it was sent, so a page may hold fewer numbers than
    entries, and a number's entries may lie on both sides of a page's end.
  - SeaweedFS doesn't say which of them Complete would use.
  - SeaweedFS lists by names with four digits, so part 10,000 stands before part 1,000; a marker
    from 1,000 to 9,998 hides it and 9,999 shows it. (Complete puts it in its right place.)
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["PAGE", "Page", "StoredPart", "by_number", "listed", "parsed"]

PAGE = 1000  # the most parts in one answer

_OUT_OF_ORDER = 10_000

# (marker, most) -> parts with numbers above the marker, and whether more follow
Page = Callable[[int, int], Awaitable[tuple[list["StoredPart"], bool]]]


@dataclass(frozen=True, slots=True)
class StoredPart:
    """What the store says of one part number.

    `sha256` is None on SeaweedFS. `ambiguous`: the store holds different bytes under this number
    and may use either at Complete, so the upload is to be given up. The same bytes sent twice
    are one part.
    """

    number: int
    etag: str
    size: int
    sha256: bytes | None
    ambiguous: bool = False


async def listed(page: Page, first: int, last: int, *, minio: bool) -> list[StoredPart]:
    """Parts first..last that are there, by number; reads little beyond that range."""
    read = _from_minio if minio else _from_seaweedfs
    found = await read(page, first, last)
    return by_number(part for part in found if first <= part.number <= last)


async def _from_minio(page: Page, first: int, last: int) -> list[StoredPart]:
    found: list[StoredPart] = []
    marker, step = first - 1, 1
    while marker < last:
        parts, more = await page(marker, min(PAGE, last - marker))
        if not parts and not found and marker:
            marker, step = max(0, marker - step), step * 2
            continue
        found += parts
        if not more:
            break
        marker = parts[-1].number
    return found


async def _from_seaweedfs(page: Page, first: int, last: int) -> list[StoredPart]:
    found: list[StoredPart] = []
    if last == _OUT_OF_ORDER:
        found, _ = await page(last - 1, PAGE)
    marker, room = first - 1, 8
    while marker < min(last, _OUT_OF_ORDER - 1):
        parts, more = await page(marker, min(PAGE, 2 * (last - marker) + room))
        parts = [part for part in parts if part.number != _OUT_OF_ORDER]
        found += parts
        if not more or (parts and parts[-1].number > last):
            break
        # The page's last number is read once more, as it may have further entries; when the page
        # held no other number, a longer page is asked for, and in the end the number is passed.
        highest = parts[-1].number if parts else marker
        if highest - 1 > marker:
            marker = highest - 1
        elif room < PAGE:
            room *= 4
        else:
            marker = highest + (highest == marker)
    return found


def by_number(parts: Iterable[StoredPart]) -> list[StoredPart]:
    """One for each number; entries that differ make it ambiguous."""
    chosen: dict[int, StoredPart] = {}
    for part in parts:
        other = chosen.setdefault(part.number, part)
        if (other.etag, other.size) != (part.etag, part.size):
            chosen[part.number] = replace(other, ambiguous=True)
    return [chosen[number] for number in sorted(chosen)]


def parsed(entry: Mapping[str, Any]) -> StoredPart:
    return StoredPart(
        number=int(entry["PartNumber"]),
        etag=str(entry["ETag"]),
        size=int(entry["Size"]),
        sha256=_sha256(entry.get("ChecksumSHA256")),
    )


def _sha256(encoded: object) -> bytes | None:
    if not isinstance(encoded, str):
        return None
    try:
        digest = b64decode(encoded, validate=True)
    except Base64Error:
        return None
    return digest if len(digest) == 32 else None
