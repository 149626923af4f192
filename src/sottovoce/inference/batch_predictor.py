"""Predicting many recordings: decoded ahead in threads, run in batches, answered in order."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sottovoce.audio import Samples, Source
from sottovoce.errors import SottovoceError
from sottovoce.inference.predictor import Heard, Judge, Network, Probabilities, batches
from sottovoce.prediction import Prediction

GROUP = 16
"""How many recordings are looked at together for pieces of equal length, once it is running."""

LONG_SECONDS = 30.0
"""A longer recording is run at once by the thread that decoded it, so that it is not held."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def predict_many(
    judge: Judge, network: Network, sources: Iterable[Source], workers: int
) -> Iterator[Prediction]:
    """Predictions in the order of `sources`, which are asked for no further ahead than needed.

    Three groups are under way at any time: one is being decoded, one is being run, one is handed
    out. The first groups are small, so that the first answers come soon. When the iterator is
    closed or dropped, what was waiting is given up and the threads end with their recording.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sottovoce")
    crew = _Crew(judge, network, pool)
    try:
        heard = _ahead(_groups(sources, workers), crew.hear)
        for predictions in _ahead(heard, crew.run):
            yield from predictions
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def run_pieces(judge: Judge, network: Network, heard: Heard) -> Prediction:
    """Run the network on the pieces of one recording, and conclude."""
    rows = np.empty((len(heard.pieces), len(judge.card.labels)), np.float32)
    for batch in batches([len(piece) for piece in heard.pieces], judge.card.sample_rate):
        rows[batch] = network(np.stack([heard.pieces[index] for index in batch]))
    return judge.conclude(heard, rows)


@dataclass(frozen=True, slots=True)
class _Crew:
    """The two steps that the threads do; each starts its work and gives a way to wait for it."""

    judge: Judge
    network: Network
    pool: ThreadPoolExecutor

    def hear(self, sources: list[Source]) -> Callable[[], list[Heard | Prediction]]:
        """Decode, gate and cut a group."""
        futures = [self.pool.submit(self._hear_one, source) for source in sources]
        return lambda: [future.result() for future in futures]

    def _hear_one(self, source: Source) -> Heard | Prediction:
        try:
            heard = self.judge.hear(source)
            if isinstance(heard, Heard) and heard.duration > LONG_SECONDS:
                return run_pieces(self.judge, self.network, heard)
        except (SottovoceError, MemoryError) as error:
            return self.judge.fail(source, error)
        return heard

    def _stacked(self, same: list[Samples]) -> Probabilities:
        return self.network(np.stack(same))

    def run(self, group: list[Heard | Prediction]) -> Callable[[], list[Prediction]]:
        """Run the network on a group's pieces, those of equal length together."""
        waiting = [heard for heard in group if isinstance(heard, Heard)]
        cut = [piece for heard in waiting for piece in heard.pieces]
        runs: list[tuple[list[int], Future[Probabilities]]] = [
            (batch, self.pool.submit(self._stacked, [cut[index] for index in batch]))
            for batch in batches([len(piece) for piece in cut], self.judge.card.sample_rate)
        ]

        def finish() -> list[Prediction]:
            rows = np.empty((len(cut), len(self.judge.card.labels)), np.float32)
            for batch, future in runs:
                rows[batch] = future.result()
            ends = itertools.accumulate(len(heard.pieces) for heard in waiting)
            answers = iter(np.split(rows, list(ends)))
            return [
                self.judge.conclude(heard, next(answers)) if isinstance(heard, Heard) else heard
                for heard in group
            ]

        return finish


def _groups(sources: Iterable[Source], first: int) -> Iterator[list[Source]]:
    """Sources in groups of `first`, then twice as many, and so on up to `GROUP`."""
    rest = iter(sources)
    size = min(first, GROUP)
    while group := list(itertools.islice(rest, size)):
        yield group
        size = min(2 * size, GROUP)


def _ahead(
    items: Iterable[Item], start: Callable[[Item], Callable[[], Result]]
) -> Iterator[Result]:
    """Start each item's work before waiting for that of the item before it."""
    finish: Callable[[], Result] | None = None
    for item in items:
        following = start(item)
        if finish is not None:
            yield finish()
        finish = following
    if finish is not None:
        yield finish()
