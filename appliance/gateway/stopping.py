"""Long polls end at once when the process is told to stop; everything else is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["Stopping"]

T = TypeVar("T")


class Stopping:
    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        self._told.set()

    @property
    def told(self) -> bool:
        return self._told.is_set()

    async def unless(
        self, patient: Callable[[], Awaitable[T]], now: Callable[[], Awaitable[T]]
    ) -> T:
        """`patient`, which may take long and only reads; when told to stop, `now` instead."""
        if self.told:
            return await now()
        waiting = asyncio.ensure_future(patient())
        told = asyncio.ensure_future(self._told.wait())
        try:
            await asyncio.wait({waiting, told}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return await waiting
        finally:
            told.cancel()
            waiting.cancel()
        return await now()
