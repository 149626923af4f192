"""Predicting many recordings: decoded ahead in threads, run in batches, results in order."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples, Source
from sottovoce.errors import SottovoceError
from sottovoce.inference.predictor import (
    Network,
    Predictor,
    PreparedRecording,
    Probabilities,
    batches,
)
from sottovoce.results import Prediction
from sottovoce.system import available_cpus

GROUP = 16
"""How many recordings are searched together for pieces of equal length, after the start."""

LONG_SECONDS = 30.0
"""A longer recording is run at once by the thread that decoded it, so that it is not kept."""

Prepared: TypeAlias = PreparedRecording | Prediction
"""A recording that the network is to run on, or a prediction already."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def number_of_workers(given: int | None) -> int:
    """How many threads to use; if None, one a processor, at most 4.

    Raises:
        SottovoceError: it is not at least 1.
    """
    if given is None:
        return min(4, available_cpus())
    if given < 1:
        raise SottovoceError(f"workers is {given}; expected 1 or more")
    return given


def predict_many(
    predictor: Predictor, network: Network, sources: Iterable[Source], workers: int
) -> Iterator[Prediction]:
    """Predictions in the order of `sources`, which are read no further ahead than needed.

    Three groups are under way at any time: one is being decoded, one is being run, one is handed
    out. The first groups are small, so that the first results come soon. When the iterator is
    closed or dropped, waiting work is cancelled and each thread ends with its current recording.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sottovoce")
    batch = BatchPredictor(predictor, network, pool)
    try:
        prepared = _ahead(_groups(sources, workers), batch.preprocess)
        for predictions in _ahead(prepared, batch.run):
            yield from predictions
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a network makes of one recording.

    Attributes:
        embedding: (dimensions,) mean over its pieces, weighted by their lengths.
        seconds: of the pieces.
    """

    embedding: NDArray[np.float32]
    seconds: float


def embed_many(
    predictor: Predictor, network: Network, sources: Iterable[Source], workers: int
) -> Iterator[Embedded | Prediction]:
    """The embedding of each recording, in order; a prediction, which says why, where there is none.

    Args:
        predictor: decodes, gates and cuts.
        network: (clips, samples) -> (clips, dimensions).
        sources: read as they are needed, a few ahead.
        workers: threads.
    """

    def one(source: Source) -> Embedded | Prediction:
        try:
            prepared = predictor.preprocess(source)
            if isinstance(prepared, Prediction):
                return prepared
            lengths = [len(piece) for piece in prepared.pieces]
            rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(lengths)
            for batch in batches(lengths, predictor.card.sample_rate):
                found = network(np.stack([prepared.pieces[index] for index in batch]))
                for index, row in zip(batch, found, strict=True):
                    rows[index] = row
            mean = np.average(np.stack(rows), axis=0, weights=lengths).astype(np.float32)
            return Embedded(mean, sum(lengths) / predictor.card.sample_rate)
        except (SottovoceError, MemoryError) as error:
            return predictor.error(source, error)

    with ThreadPoolExecutor(workers, thread_name_prefix="sottovoce") as pool:
        rest = iter(sources)
        while group := list(itertools.islice(rest, GROUP)):
            yield from pool.map(one, group)


def run_network(predictor: Predictor, network: Network, recording: PreparedRecording) -> Prediction:
    """Run the network on the pieces of one recording, and make the prediction from its output."""
    rows = np.empty((len(recording.pieces), len(predictor.card.labels)), np.float32)
    lengths = [len(piece) for piece in recording.pieces]
    for batch in batches(lengths, predictor.card.sample_rate):
        rows[batch] = network(np.stack([recording.pieces[index] for index in batch]))
    return predictor.postprocess(recording, rows)


@dataclass(frozen=True, slots=True)
class BatchPredictor:
    """The two steps that the threads do; each starts its work and returns a function that waits."""

    predictor: Predictor
    network: Network
    pool: ThreadPoolExecutor

    def preprocess(self, sources: list[Source]) -> Callable[[], list[Prepared]]:
        """Decode, gate and cut a group."""
        futures = [self.pool.submit(self._preprocess_one, source) for source in sources]
        return lambda: [future.result() for future in futures]

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

    def _preprocess_one(self, source: Source) -> Prepared:
        try:
            prepared = self.predictor.preprocess(source)
            if isinstance(prepared, PreparedRecording) and prepared.duration > LONG_SECONDS:
                return run_network(self.predictor, self.network, prepared)
        except (SottovoceError, MemoryError) as error:
            return self.predictor.error(source, error)
        return prepared

    def _run_batch(self, same_length: list[Samples]) -> Probabilities:
        return self.network(np.stack(same_length))

    def _conclude(
        self, recording: PreparedRecording, rows: Probabilities, failed: NDArray[np.bool_]
    ) -> Prediction:
        """The prediction; where a shared batch failed, of this recording alone, or its error."""
        if not failed.any():
            return self.predictor.postprocess(recording, rows)
        try:
            return run_network(self.predictor, self.network, recording)
        except (SottovoceError, MemoryError) as error:
            return self.predictor.error(recording.path or "", error).model_copy(
                update={
                    "source": recording.path,
                    "duration": recording.duration,
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
