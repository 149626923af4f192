"""A prediction step by step: the sound, the features that the network takes, the time of each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Source
from sottovoce.errors import SottovoceError
from sottovoce.export._details import draw_details
from sottovoce.inference.predictor import Predictor, Probabilities, run_network
from sottovoce.models.card import Card
from sottovoce.options import GateOptions, PredictOptions
from sottovoce.results import Prediction
from sottovoce.text import describe

MOST_SECONDS = 60.0
"""Longer recordings are judged by their timelines, which have no one picture of features."""


@dataclass(frozen=True, eq=False, slots=True)
class Details:
    """What there is to be seen of a prediction.

    Attributes:
        prediction: as `Model.predict` gives it.
        audio: what was heard, one channel at the model's rate: to be drawn.
        features: (features, frames) float32, what the front end gives and the network takes; of a
            model whose front end keeps no frames (features, 1). None where nothing was judged. The
            pieces of a recording longer than the model's window stand one after another.
        seconds: step -> how long it took, s: decode, gate, features, network.
    """

    prediction: Prediction
    audio: Audio
    features: NDArray[np.float32] | None
    seconds: Mapping[str, float]

    @property
    def shape(self) -> tuple[int, int] | None:
        """Of the features."""
        return None if self.features is None else (self.features.shape[0], self.features.shape[1])

    @property
    def duration(self) -> float:
        """Length of the recording, s."""
        return self.audio.duration

    def draw(self, file: str | BinaryIO, kind: str = "png") -> None:
        """Draw the waveform, and below it the features, each row from its least to its most.

        Args:
            file: a path, or what takes the picture.
            kind: "png", "svg" or "pdf".

        Raises:
            MissingExtraError: without the extra `plot`.
        """
        found = self.prediction
        sure = f", {found.confidence:.0%}" if found.confidence is not None else ""
        title = f"{found.model}: {found.words}{sure}"
        draw_details(title, self.audio, self.features, file, kind)


class SeenModel(Protocol):
    """What is needed of a model; see `Model`."""

    @property
    def card(self) -> Card: ...  # noqa: D102

    def features(self, batch: NDArray[Any]) -> NDArray[np.float32]: ...  # noqa: D102

    def probabilities(self, batch: NDArray[Any]) -> Probabilities: ...  # noqa: D102


def details(model: SeenModel, source: Source, *, gate: GateOptions | None = None) -> Details:
    """Judge a recording, and keep what there is to be seen; see `Details`.

    Args:
        model: whose front end and network it is.
        source: as for `Model.predict`.
        gate: as for `Model.predict`.

    Raises:
        AudioError: the source cannot be read.
        SottovoceError: it is longer than a minute.
    """
    predictor = Predictor(model.card, PredictOptions(gate=gate or GateOptions()))
    least = round(model.card.window.min * model.card.sample_rate)
    model.features(np.zeros((1, max(1, least)), np.float32))  # opens the graph, which takes longest
    clock = _Clock()
    audio = Audio.read(source, sample_rate=model.card.sample_rate)
    clock.lap("decode")
    if audio.duration > MOST_SECONDS:
        raise SottovoceError(
            f"{describe(source)}: {audio.duration:.0f} s, and the details are those of "
            f"{MOST_SECONDS:.0f} s at most; give a part of it, or ask for its timeline"
        )
    prepared = predictor.prepare(audio, source)
    clock.lap("gate")
    if isinstance(prepared, Prediction):
        return Details(prepared, audio, None, clock.seconds)
    features = [model.features(piece[None])[0] for piece in prepared.pieces]
    clock.lap("features")
    prediction = run_network(predictor, model.probabilities, prepared)
    clock.lap("network")
    # The graph computes the features once more on its way to the probabilities.
    clock.seconds["network"] = max(0.0, clock.seconds["network"] - clock.seconds["features"])
    return Details(prediction, audio, np.concatenate(features, axis=1), clock.seconds)


class _Clock:
    """Takes the time of steps that follow one another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, step: str) -> None:
        """A step is over."""
        now = time.perf_counter()
        self.seconds[step] = now - self._since
        self._since = now
