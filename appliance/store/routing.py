"""Which database holds a key: a directory of slot ranges, pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.domain.ids import slot_of
from appliance.settings import Database

__all__ = ["BUCKETS", "SLOTS", "SlotMap", "buckets"]

SLOTS = 1 << 16
BUCKETS = 64


@dataclass(frozen=True, slots=True)
class SlotMap:
    """Databases in the order of their slots; together they hold each slot exactly once."""

    databases: tuple[Database, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, databases: Sequence[Database]) -> SlotMap:
        """Raises ValueError when a slot is held twice or by none."""
        ordered = tuple(sorted(databases, key=lambda database: database.first_slot))
        expected = 0
        for database in ordered:
            if database.first_slot != expected or database.last_slot < database.first_slot:
                raise ValueError(f"slot {expected} is held by none or twice, see {database.name}")
            expected = database.last_slot + 1
        if expected != SLOTS:
            raise ValueError(f"slots from {expected} on are held by no database")
        return cls(ordered, tuple(database.first_slot for database in ordered))

    def name_of(self, key: int) -> str:
        return self.databases[bisect_right(self.starts, slot_of(key)) - 1].name


def buckets() -> Sequence[tuple[int, int]]:
    """The 64 ranges of keys, (first, last), that work over all keys goes through one by one.

    A bucket is a range of whole slots, so where databases begin at multiples of 1,024 slots one
    database holds all of it.
    """
    width = (1 << 63) // BUCKETS
    return [(n * width, (n + 1) * width - 1) for n in range(BUCKETS)]
