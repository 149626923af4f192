"""The embeddings of recordings: what a network makes of each before it judges it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples, Source
from sottovoce.errors import SottovoceError
from sottovoce.inference.predictor import Predictor, batches
from sottovoce.models.network import NetworkOutput
from sottovoce.results import Prediction

GROUP = 16
"""Recordings that are under way at a time."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a network makes of one recording, from one run on each of its pieces.

    Attributes:
        embedding: (dimensions,) mean over its pieces, weighted by their lengths.
        probabilities: (classes,), the same mean.
        seconds: of the pieces.
    """

    embedding: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    seconds: float


def embed(
    predictor: Predictor, network: Callable[[Samples], NetworkOutput], source: Source
) -> Embedded | Prediction:
    """The embedding of one recording; a prediction, which says why, where there is no speech.

    Args:
        predictor: decodes, gates and cuts.
        network: (clips, samples) -> its output.
        source: the recording.

    Raises:
        SottovoceError: it cannot be read, or the network cannot be run.
    """
    prepared = predictor.preprocess(source)
    if isinstance(prepared, Prediction):
        return prepared
    lengths = [len(piece) for piece in prepared.pieces]
    embeddings: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(lengths)
    probabilities = embeddings.copy()
    for batch in batches(lengths, predictor.card.sample_rate):
        found = network(np.stack([prepared.pieces[index] for index in batch]))
        for index, chances, embedding in zip(batch, *found, strict=True):
            probabilities[index], embeddings[index] = chances, embedding
    return Embedded(
        _mean(embeddings, lengths),
        _mean(probabilities, lengths),
        sum(lengths) / predictor.card.sample_rate,
    )


def embed_many(
    predictor: Predictor,
    network: Callable[[Samples], NetworkOutput],
    sources: Iterable[Source],
    workers: int,
) -> Iterator[Embedded | Prediction]:
    """The same of each recording, in order; a prediction where one cannot be read, too.

    Args:
        predictor: as for `embed`.
        network: as for `embed`.
        sources: read as they are needed, a few ahead.
        workers: threads.
    """

    def one(source: Source) -> Embedded | Prediction:
        try:
            return embed(predictor, network, source)
        except (SottovoceError, MemoryError) as error:
            return predictor.error(source, error)

    with ThreadPoolExecutor(workers, thread_name_prefix="sottovoce") as pool:
        rest = iter(sources)
        while group := list(itertools.islice(rest, GROUP)):
            yield from pool.map(one, group)


def _mean(rows: list[NDArray[np.float32]], lengths: list[int]) -> NDArray[np.float32]:
    return np.average(np.stack(rows), axis=0, weights=lengths).astype(np.float32)
