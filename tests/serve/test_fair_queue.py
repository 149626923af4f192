"""Places are given out in turn."""

import asyncio
from collections.abc import Iterable

import pytest

from sottovoce.serve.fair_queue import FairQueue


async def order_of(queue: FairQueue, callers: Iterable[str]) -> list[str]:
    """In which order callers that wait for one place after another get them."""
    order: list[str] = []

    async def work(caller: str) -> None:
        async with queue.place(caller):
            order.append(caller)
            await asyncio.sleep(0)

    await asyncio.gather(*map(work, callers))
    return order


def test_who_asks_once_does_not_wait_for_all_that_another_asked_before():
    order = asyncio.run(order_of(FairQueue(1, 1), "aaaaaabb"))
    assert sorted(order) == sorted("aaaaaabb")
    assert "".join(order[:5]) in ("aabab", "ababa", "aabab")


def test_nobody_has_more_than_a_share():
    async def most() -> tuple[int, int]:
        queue, now, peak = FairQueue(8, 3), 0, 0

        async def work() -> None:
            nonlocal now, peak
            async with queue.place("a"):
                now += 1
                peak = max(peak, now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(work() for _ in range(20)))
        async with asyncio.timeout(5), queue.place("a"):
            return peak, now

    assert asyncio.run(most()) == (3, 0)


def test_places_of_those_who_gave_up_or_failed_are_free_again():
    async def fill() -> None:
        queue = FairQueue(1, 1)
        with pytest.raises(ZeroDivisionError):
            async with queue.place("a"):
                raise ZeroDivisionError

        async def work(caller: str) -> None:
            async with queue.place(caller):
                await asyncio.sleep(0)

        async with queue.place("a"):
            waiting = [asyncio.create_task(work(caller)) for caller in "abab"]
            await asyncio.sleep(0)
            waiting[0].cancel()
            waiting[1].cancel()
            await asyncio.sleep(0)
        waiting[2].cancel()  # just as its turn has come
        await asyncio.gather(*waiting, return_exceptions=True)
        async with asyncio.timeout(5):
            await work("c")

    asyncio.run(fill())
