"""What a blob costs its space, and whether more fits. All numbers are bytes.

Each live blob of a space counts once, whatever number of versions and names use it, in the trash
too. It counts at the larger of raw and stored size, so that compression is never charged for and
never lets a space promise more raw bytes than its quota. Unfinished uploads count as reserved,
which is what keeps many uploads at once from passing the quota together.
"""

from __future__ import annotations

__all__ = ["charge", "fits"]


def charge(raw: int, stored: int) -> int:
    return max(raw, stored)


def fits(quota: int, used: int, reserved: int, wanted: int) -> bool:
    """What costs nothing always fits, also in a space that a lowered quota left over-full."""
    return wanted <= 0 or used + reserved + wanted <= quota
