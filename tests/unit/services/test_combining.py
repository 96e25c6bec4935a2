"""What comes together is done together; what fails, fails for its batch alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from appliance.domain.errors import DatabaseUnavailable
from appliance.services.combining import Combiner


class Recorder:
    """Doubles numbers, a batch at a time, and remembers the batches; refuses negative ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, key: str, jobs: Sequence[int]) -> list[int]:
        self.batches.append(list(jobs))
        await asyncio.sleep(0.01)
        if min(jobs) < 0:
            raise ValueError(key)
        return [2 * job for job in jobs]


async def test_who_waits_shares_the_next_batch() -> None:
    recorder = Recorder()
    combiner = Combiner(recorder, lambda batch, job: len(batch) < 4)
    assert await asyncio.gather(*(combiner.submit("k", n) for n in range(10))) == [
        2 * n for n in range(10)
    ]
    assert [n for batch in recorder.batches for n in batch] == list(range(10))
    assert max(map(len, recorder.batches)) == 4


async def test_keys_do_not_wait_for_each_other() -> None:
    entered: set[str] = set()
    both = asyncio.Event()

    async def meet(key: str, jobs: Sequence[int]) -> list[int]:
        entered.add(key)
        if len(entered) == 2:
            both.set()
        await both.wait()
        return list(jobs)

    combiner = Combiner(meet, lambda batch, job: True)
    async with asyncio.timeout(5):
        await asyncio.gather(combiner.submit("a", 1), combiner.submit("b", 2))


async def test_a_failed_batch_does_not_stop_the_next() -> None:
    recorder = Recorder()
    combiner = Combiner(recorder, lambda batch, job: False)
    results = await asyncio.gather(
        *(combiner.submit("k", n) for n in (1, -1, 2)), return_exceptions=True
    )
    assert results[0] == 2
    assert isinstance(results[1], ValueError)
    assert results[2] == 4


async def test_one_who_goes_away_takes_nobody_along() -> None:
    recorder = Recorder()
    combiner = Combiner(recorder, lambda batch, job: True)
    leaver = asyncio.create_task(combiner.submit("k", 1))
    stayer = asyncio.create_task(combiner.submit("k", 2))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await stayer == 4
    with pytest.raises(asyncio.CancelledError):
        await leaver
    assert await combiner.submit("k", 3) == 6
    assert recorder.batches == [[1, 2], [3]]


async def test_one_that_breaks_its_batch_breaks_no_other() -> None:
    recorder = Recorder()
    combiner = Combiner(recorder, lambda batch, job: True)
    results = await asyncio.gather(
        *(combiner.submit("k", n) for n in (1, 2, -3, 4)), return_exceptions=True
    )
    assert isinstance(results[2], ValueError)
    assert [results[0], results[1], results[3]] == [2, 4, 8]
    assert recorder.batches == [[1, 2, -3, 4], [1], [2], [-3], [4]]


async def test_a_problem_is_everyones() -> None:
    asked: list[list[int]] = []

    async def down(key: str, jobs: Sequence[int]) -> list[int]:
        asked.append(list(jobs))
        await asyncio.sleep(0.01)
        raise DatabaseUnavailable("no answer")

    combiner = Combiner(down, lambda batch, job: True)
    results = await asyncio.gather(
        *(combiner.submit("k", n) for n in (1, 2, 3)), return_exceptions=True
    )
    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert asked == [[1, 2, 3]]


async def test_a_stop_while_each_is_done_alone_leaves_nobody_waiting() -> None:
    async def stuck(key: str, jobs: Sequence[int]) -> list[int]:
        if len(jobs) > 1:
            raise ValueError(key)
        await asyncio.sleep(0.01 if jobs[0] == 1 else 60)
        return list(jobs)

    combiner = Combiner(stuck, lambda batch, job: True)
    waiting = [asyncio.create_task(combiner.submit("k", n)) for n in (1, 2, 3)]
    assert await waiting[0] == 1
    await asyncio.sleep(0.05)
    for task in list(combiner._tasks):
        task.cancel()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*waiting[1:], return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
