"""Which pools of a MinIO can't spare a host, from the number of their hosts and drives alone.

MinIO takes the first drive of each host, then the second of each, and cuts that row into erasure
sets: all of one size, the largest of 2 to 16 that divides the pool. Of a list of endpoints, unlike
of `{1...n}`, it doesn't ask whether each host has the same share of a set. The parity that belongs
to the first pool's sets is every pool's. None of it can be changed once a pool has data.

Source: MinIO's cmd/endpoint-ellipses.go, cmd/erasure-server-pool.go, cmd/erasure.go and
internal/config/storageclass/storage-class.go; the roles set no storage class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SET_SIZES = range(16, 1, -1)
_MOST_OFFERED = 16


def pool_faults(pools: Sequence[Sequence[str]], drives: int) -> list[str]:
    """What a person is told of `pools` (the hosts of each) with `drives` drives on every host; a
    store of one host is spared nothing and judged only by whether MinIO can lay it out."""
    counts = [len(hosts) for hosts in pools]
    faults = _faults(counts, drives)
    if not any(faults):
        return []
    good = [n for n in range(1, _MOST_OFFERED + 1) if not any(_faults(counts, n))]
    remedy = (
        f"With {', '.join(map(str, good))} drives a host (objectstore_drives) it would stand."
        if good
        else "Give each pool three hosts or more (objectstore_pools)."
    )
    told = [
        f"The pool {', '.join(hosts)}: {fault}."
        for hosts, fault in zip(pools, faults, strict=True)
        if fault
    ]
    return [*told, remedy]


def set_size(drives: int) -> int:
    """Drives of an erasure set in a pool of so many; 0 if MinIO finds no size."""
    return 1 if drives == 1 else next((size for size in _SET_SIZES if drives % size == 0), 0)


def default_parity(size: int) -> int:
    """Drives of parity in a set of `size`, which MinIO takes when nobody says another number."""
    return {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}.get(size, 4)


def _faults(counts: Sequence[int], drives: int) -> list[str]:
    """One for each pool, "" where there is none; `counts` are the pools' hosts."""
    if not drives or not counts or not all(counts):
        return []
    parity = default_parity(set_size(counts[0] * drives))
    return [_fault(hosts, drives, parity, alone=sum(counts) == 1) for hosts in counts]


def _fault(hosts: int, drives: int, parity: int, *, alone: bool) -> str:
    size = set_size(hosts * drives)
    if not size:
        return f"its {hosts * drives} drives can't be divided into erasure sets of 2 to 16"
    if alone:
        return ""
    if hosts == 1:
        return "it lies on one host, and its files are away with that host"
    if parity > size // 2:
        return f"the first pool's parity, {parity}, is more than half of its sets of {size}"
    held = -(-size // hosts)
    left, data = size - held, size - parity
    if left >= data + (data == parity):
        return ""
    lost = "read" if left < data else "written"
    return (
        f"{drives} drives a host make erasure sets of {size}, {parity} of it parity, of which one "
        f"host holds {held}; without that host nothing could be {lost}"
    )


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"pool_faults": pool_faults}
