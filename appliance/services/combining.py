"""Requests that wait for the same thing are done together.

While one batch of a key is being done, what arrives for that key waits and becomes the next batch:
alone, a request goes at once; under load, the cost of a transaction is shared.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from appliance.domain.errors import Problem

__all__ = ["Combiner"]

K = TypeVar("K", bound=Hashable)
J = TypeVar("J")
R = TypeVar("R")


class Combiner(Generic[K, J, R]):
    """`do`: a result for each job, in their order, all done or none.

    A Problem that it raises, all jobs of the batch get: it is about their key. Anything else may be
    the fault of one of them: each is then done alone, and the others don't suffer.
    `fits`: whether a job may join a batch. One whose caller has gone is done all the same.
    """

    def __init__(
        self,
        do: Callable[[K, Sequence[J]], Awaitable[Sequence[R]]],
        fits: Callable[[Sequence[J], J], bool],
    ) -> None:
        self._do = do
        self._fits = fits
        self._waiting: dict[K, deque[tuple[J, asyncio.Future[R]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, key: K, job: J) -> R:
        outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append((job, outcome))
        else:
            self._waiting[key] = deque([(job, outcome)])
            task = asyncio.create_task(self._work_off(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await outcome

    async def _work_off(self, key: K) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                await self._one_batch(key, waiting)
        finally:
            del self._waiting[key]
            for _, outcome in waiting:
                outcome.cancel()

    async def _one_batch(self, key: K, waiting: deque[tuple[J, asyncio.Future[R]]]) -> None:
        batch = [waiting.popleft()]
        while waiting and self._fits([job for job, _ in batch], waiting[0][0]):
            batch.append(waiting.popleft())
        try:
            await self._do_all(key, batch)
        except asyncio.CancelledError:
            for _, outcome in batch:
                outcome.cancel()
            raise

    async def _do_all(self, key: K, batch: Sequence[tuple[J, asyncio.Future[R]]]) -> None:
        try:
            results = await self._do(key, [job for job, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Problem):
                for one in batch:
                    await self._do_all(key, [one])
                return
            for _, outcome in batch:
                if not outcome.done():
                    outcome.set_exception(error)
            return
        for (_, outcome), result in zip(batch, results, strict=True):
            if not outcome.done():
                outcome.set_result(result)
