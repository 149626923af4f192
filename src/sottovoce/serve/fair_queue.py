"""Places to work in, given out to the callers in turn: `FairQueue`."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairQueue:
    """So many places; who waits for one gets it when it is the caller's turn, not the request's.

    No caller has more than a share of the places, so that another one finds some free. Used from
    the event loop alone.

    Args:
        places: how many there are.
        share: how many of them one caller may have.
    """

    def __init__(self, places: int, share: int) -> None:
        self._free, self._share = places, share
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def callers(self) -> int:
        """How many callers have a place."""
        return len(self._taken)

    @asynccontextmanager
    async def place(self, caller: str) -> AsyncIterator[None]:
        """Wait for a place, and keep it."""
        if self._may_have_one(caller) and caller not in self._waiting:
            self._take(caller)
        else:
            await self._wait(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    def _may_have_one(self, caller: str) -> bool:
        return self._free > 0 and self._taken[caller] < self._share

    def _take(self, caller: str) -> None:
        self._free -= 1
        self._taken[caller] += 1

    async def _wait(self, caller: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was just given
                self._give_back(caller)
            raise

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        for other in list(self._waiting):
            if self._may_have_one(other):
                self._call(other)

    def _call(self, caller: str) -> None:
        """Give a place to the next turn of a caller, who then stands last in the row."""
        turns = self._waiting.pop(caller)
        while turns:
            turn = turns.popleft()
            if not turn.done():  # which it is where somebody gave up
                self._take(caller)
                turn.set_result(None)
                break
        if turns:
            self._waiting[caller] = turns
