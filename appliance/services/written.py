"""What a write answers: the answer, and the space's seq after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Written"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A client sends `seq` back with its next calls, and then reads what it wrote."""

    answer: T
    seq: int
