"""Predicting many recordings: decoded ahead in threads, run in batches, results in order."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples, Source
from sottovoce.errors import SottovoceError
from sottovoce.inference.predictor import (
    Predictor,
    PreparedRecording,
    Probabilities,
    batches,
    run_network,
)
from sottovoce.inference.recording import Prepared, RecordingPredictor
from sottovoce.results import Prediction

GROUP = 16
"""How many recordings are searched together for pieces of equal length, after the start."""

LONG_SECONDS = 30.0
"""A longer recording is run at once by the thread that decoded it, so that it is not kept."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def predict_many(
    recording: RecordingPredictor, sources: Iterable[Source], workers: int
) -> Iterator[Prediction]:
    """Predictions in the order of `sources`, which are read no further ahead than needed.

    Three groups are under way at any time: one is being decoded, one is being run, one is handed
    out. The first groups are small, so that the first results come soon. When the iterator is
    closed or dropped, waiting work is cancelled and each thread ends with its current recording.
    """
    pool: Executor = InThisThread()
    if workers > 1:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="sottovoce")
    batch = BatchPredictor(recording, pool)
    try:
        prepared = _ahead(_groups(sources, workers), batch.preprocess)
        for predictions in _ahead(prepared, batch.run):
            yield from predictions
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class InThisThread(Executor):
    """Runs what is submitted at once: one worker needs no thread, which takes time to start."""

    def submit(self, fn: Callable[..., Outcome], /, *args: Any, **kwargs: Any) -> Future[Outcome]:
        """Run it."""
        future = Future[Outcome]()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True)
class BatchPredictor:
    """The two steps that the threads do; each starts its work and returns a function that waits."""

    recording: RecordingPredictor
    pool: Executor

    @property
    def predictor(self) -> Predictor:
        """Of the model and the options."""
        return self.recording.predictor

    def preprocess(self, sources: list[Source]) -> Callable[[], list[Prepared]]:
        """Decode, gate and cut a group."""
        futures = [self.pool.submit(self._preprocess_one, source) for source in sources]
        return lambda: [item for future in futures for item in future.result()]

    def run(self, group: list[Prepared]) -> Callable[[], list[Prediction]]:
        """Run the network on a group's pieces, those of equal length together."""
        recordings = [item for item in group if isinstance(item, PreparedRecording)]
        cut = [piece for recording in recordings for piece in recording.pieces]
        runs: list[tuple[list[int], Future[Probabilities]]] = [
            (batch, self.pool.submit(self._run_batch, [cut[index] for index in batch]))
            for batch in batches([len(piece) for piece in cut], self.predictor.card.sample_rate)
        ]

        def finish() -> list[Prediction]:
            rows = np.empty((len(cut), len(self.predictor.card.labels)), np.float32)
            failed = np.zeros(len(cut), bool)
            for batch, future in runs:
                try:
                    rows[batch] = future.result()
                except (SottovoceError, MemoryError):
                    failed[batch] = True
            ends = list(itertools.accumulate(len(recording.pieces) for recording in recordings))
            answers = zip(np.split(rows, ends), np.split(failed, ends), strict=True)
            return [
                self._conclude(item, *next(answers))
                if isinstance(item, PreparedRecording)
                else item
                for item in group
            ]

        return finish

    def _preprocess_one(self, source: Source) -> list[Prepared]:
        """A recording, or its channels."""
        try:
            prepared = self.recording.prepare(source)
            return [self._run_if_long(item) for item in prepared]
        except (SottovoceError, MemoryError) as error:
            return [self.predictor.error(source, error)]

    def _run_if_long(self, item: Prepared) -> Prepared:
        if isinstance(item, PreparedRecording) and item.duration > LONG_SECONDS:
            return run_network(self.predictor, self.recording.network, item)
        return item

    def _run_batch(self, same_length: list[Samples]) -> Probabilities:
        return self.recording.network(np.stack(same_length))

    def _conclude(
        self, recording: PreparedRecording, rows: Probabilities, failed: NDArray[np.bool_]
    ) -> Prediction:
        """The prediction; where a shared batch failed, of this recording alone, or its error."""
        if not failed.any():
            return self.predictor.postprocess(recording, rows)
        try:
            return run_network(self.predictor, self.recording.network, recording)
        except (SottovoceError, MemoryError) as error:
            return self.predictor.error(recording.path or "", error).model_copy(
                update={
                    "source": recording.path,
                    "duration": recording.duration,
                    "channel": recording.channel,
                    "warnings": recording.warnings,
                }
            )


def _groups(sources: Iterable[Source], first: int) -> Iterator[list[Source]]:
    """Sources in groups of `first`, then twice as many, and so on up to `GROUP`."""
    rest = iter(sources)
    size = min(first, GROUP)
    while group := list(itertools.islice(rest, size)):
        yield group
        size = min(2 * size, GROUP)


def _ahead(
    items: Iterable[Item], start: Callable[[Item], Callable[[], Outcome]]
) -> Iterator[Outcome]:
    """Start each item's work before waiting for that of the item before it."""
    finish: Callable[[], Outcome] | None = None
    for item in items:
        finish_next = start(item)
        if finish is not None:
            yield finish()
        finish = finish_next
    if finish is not None:
        yield finish()
