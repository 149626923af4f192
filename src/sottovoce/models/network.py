"""The network of a model file: what its graph takes and gives, and running it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sottovoce.errors import ModelError, SottovoceError
from sottovoce.inference.predictor import Probabilities
from sottovoce.models.card import AdaptedInfo, Card
from sottovoce.models.encoder import encoded_axes, open_encoder
from sottovoce.models.model_file import read_model_file, with_features
from sottovoce.models.session import HEADROOM, check_tensors, open_session
from sottovoce.system import bounded_memory
from sottovoce.text import describe, one_line

LONGEST_CHECK = 30.0
"""s that a network may take for its first run, on two of the shortest clips that it is given."""

Embeddings = NDArray[np.float32]
"""(clips, dimensions)."""


class Baselines(NamedTuple):
    """What clips are judged against, as the graph takes it.

    Attributes:
        baseline: (clips, dimensions) float32.
        kind: (clips,) int64: 0 for none, 1 for a normal voice, 2 for a mixed sample.
    """

    baseline: NDArray[np.float32]
    kind: NDArray[np.int64]

    @classmethod
    def none(cls, clips: int, dimensions: int) -> Baselines:
        """Of clips that are judged without a profile."""
        return cls(np.zeros((clips, dimensions), np.float32), np.zeros(clips, np.int64))


class NetworkOutput(NamedTuple):
    """What one run of a network gives.

    Attributes:
        probabilities: (clips, classes), each row summing to 1, in the order of the labels.
        embedding: (clips, dimensions), what the classifier stands on, before any baseline is taken
            off; no columns where the graph gives none.
    """

    probabilities: Probabilities
    embedding: Embeddings


@dataclass(frozen=True, slots=True)
class ProfiledNetwork:
    """A model's network with one profile: called with (clips, samples), it gives probabilities.

    Attributes:
        run: the network.
        baseline: (dimensions,) and kind of the profile; None for none.
        min_confidence: that goes with the profile; None: the card's.
    """

    run: Callable[..., Probabilities]
    baseline: tuple[NDArray[np.float32], int] | None
    min_confidence: float | None

    def __call__(self, batch: NDArray[Any]) -> Probabilities:
        """(clips, samples) -> (clips, classes)."""
        if self.baseline is None:
            return self.run(batch)
        values, kind = self.baseline
        count = len(batch)
        return self.run(
            batch, Baselines(np.tile(values, (count, 1)), np.full(count, kind, np.int64))
        )


class ModelNetwork:
    """The network of one model file, in ONNX Runtime; safe to use from several threads at once.

    Args:
        card: of the model.
        session: its graph.
        encoder: the graph that it stands on, if it does.
        digest: SHA-256 of the file, 64 hexadecimal digits.
        path: of the file.
    """

    _path: str | os.PathLike[str] = ""

    def __init__(
        self,
        card: Card,
        session: onnxruntime.InferenceSession,
        encoder: onnxruntime.InferenceSession | None,
        digest: str,
        path: str | os.PathLike[str] = "",
    ) -> None:
        self.card, self.digest = card, digest
        self._options = onnxruntime.RunOptions()
        self._session, self._encoder = session, encoder
        self._path = path
        self._features: tuple[onnxruntime.InferenceSession, str] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str], threads: int) -> Self:
        """Open a model file, after checking all of it; arguments and errors of `Model.open`."""
        if threads < 1:
            raise SottovoceError(f"threads is {threads}; expected 1 or more")
        data, card = read_model_file(path)
        try:
            session = open_session(data, threads)
            encoder = None
            if card.encoder is not None:
                encoder = open_encoder(card.encoder, threads, describe(path))
            check_tensors("input", session.get_inputs(), _inputs(card))
            check_tensors("output", session.get_outputs(), _outputs(card))
            digest = hashlib.sha256(data).hexdigest()
            network = cls(card, session, encoder, digest, path)
            network._check_answers()
        except ModelError as error:
            raise ModelError(f"{describe(path)}: {error}") from None
        return network

    def run(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> NetworkOutput:
        """Run it.

        Args:
            batch: (clips, samples), at `card.sample_rate`, nominally -1..1.
            baselines: of each clip; None: without. An adapted model has its own instead.

        Raises:
            ModelError: it cannot take this batch.
        """
        if self.card.adapted is None:
            return self._graph_output(batch, baselines)
        own = Baselines(np.array(self.card.adapted.baseline, np.float32)[None], np.array([2]))
        found = self._graph_output(batch, own)
        return found._replace(probabilities=adapted_probabilities(self.card.adapted, found))

    def _graph_output(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None
    ) -> NetworkOutput:
        waveform = np.ascontiguousarray(batch, dtype=np.float32)
        given: dict[str, NDArray[Any]] = {}
        if self.card.profiles is not None:
            count, dimensions = len(waveform), self.card.profiles.dimensions
            chosen = baselines or Baselines.none(count, dimensions)
            if len(chosen.kind) != count:  # one for all
                chosen = Baselines(
                    np.repeat(chosen.baseline, count, axis=0), np.repeat(chosen.kind, count)
                )
            given = chosen._asdict()
        names = [tensor.name for tensor in self._session.get_outputs()]
        try:
            if self._encoder is not None:
                given["encoded"] = self._encoder.run(
                    ["encoded"], {"waveform": waveform}, self._options
                )[0]
            else:
                given["waveform"] = waveform
            found = self._session.run(names, given, self._options)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ModelError(
                f"{self.card.title} cannot run on a batch of {waveform.shape}: {one_line(error)}"
            ) from None
        outputs = {
            name: np.asarray(values, dtype=np.float32)
            for name, values in zip(names, found, strict=True)
        }
        none = np.empty((len(waveform), 0), np.float32)
        return NetworkOutput(outputs["probabilities"], outputs.get("embedding", none))

    def features(self, batch: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """What the front end gives of a batch, (clips, samples): (clips, features, frames).

        Raises:
            ModelError: the file is no longer what it was, or the graph has no such place.
            SottovoceError: it is not one network of one file.
        """
        if not self._path:
            raise SottovoceError(
                f"{self.card.title} has no front end of its own; ask one model for its features"
            )
        waveform = np.ascontiguousarray(batch, dtype=np.float32)
        if self._encoder is not None:
            found = self._encoder.run(["encoded"], {"waveform": waveform})[0]
        else:
            session, name = self._feature_session()
            given: dict[str, NDArray[Any]] = {"waveform": waveform}
            if self.card.profiles is not None:  # the graph wants them, though they change nothing
                given |= Baselines.none(len(waveform), self.card.profiles.dimensions)._asdict()
            found = session.run([name], given)[0]
        return np.asarray(found, np.float32).reshape(len(waveform), *_two_axes(found.shape[1:]))

    def _feature_session(self) -> tuple[onnxruntime.InferenceSession, str]:
        """A session that gives the features as well, opened when it is first needed; their name."""
        if self._features is None:
            data, _ = read_model_file(self._path)
            if hashlib.sha256(data).hexdigest() != self.digest:
                raise ModelError(
                    f"{describe(self._path)}: changed since it was opened; load it again"
                )
            try:
                graph, name = with_features(data, "waveform")
                self._features = open_session(graph, 1), name
            except ModelError as error:
                raise ModelError(f"{describe(self._path)}: {error}") from None
        return self._features

    def _check_answers(self) -> None:
        """Run it on a little noise: its output must be probabilities of the labels.

        It is ended between two nodes where it takes too long.
        """
        samples = max(1, round(self.card.window.min * self.card.sample_rate))
        noise = np.random.default_rng(0).normal(0, 0.1, (2, samples))
        patience = threading.Timer(LONGEST_CHECK, setattr, (self._options, "terminate", True))
        patience.start()
        try:
            with bounded_memory(HEADROOM):
                rows = self.run(noise).probabilities
        finally:
            patience.cancel()
        expected = (2, len(self.card.labels))
        if rows.shape != expected:
            raise ModelError(
                f"gives {rows.shape} for 2 clips; expected {expected}, one column a label; "
                "export it again"
            )
        if not (rows >= 0).all() or not np.allclose(rows.sum(axis=1), 1, atol=1e-3):
            raise ModelError("gives no probabilities (0 to 1, summing to 1); export it again")


class NetworkOnDemand:
    """The network of a model file whose graph is opened, and checked, by its first run.

    Until then it takes no memory. Attributes and `run` are those of `ModelNetwork`.

    Args:
        path: of the file.
        threads: how many threads one run may use.

    Raises:
        ModelError: the file cannot be read, or its card is refused.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1) -> None:
        data, self.card = read_model_file(path)
        self.digest = hashlib.sha256(data).hexdigest()
        self._path, self._threads = path, threads
        self._opening = threading.Lock()
        self._opened: ModelNetwork | None = None

    def run(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> NetworkOutput:
        """As `ModelNetwork.run`; its errors, and those of `ModelNetwork.open`."""
        return self._network().run(batch, baselines)

    def features(self, batch: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """As `ModelNetwork.features`, and as for `run`."""
        return self._network().features(batch)

    def _network(self) -> ModelNetwork:
        with self._opening:
            if self._opened is None:
                found = ModelNetwork.open(self._path, self._threads)
                if found.digest != self.digest:
                    raise ModelError(f"{describe(self._path)}: it is another file now; start again")
                self._opened = found
            return self._opened


def adapted_probabilities(info: AdaptedInfo, found: NetworkOutput) -> Probabilities:
    """What an adapted model says: (clips, classes).

    Args:
        info: of the card.
        found: what the graph gives with the baseline of `info`.
    """
    baseline = np.array(info.baseline, np.float32)
    logs = np.log(np.maximum(found.probabilities.astype(np.float64), 1e-9))
    logs -= logs.mean(axis=1, keepdims=True)
    logits = (found.embedding - baseline) @ np.array(info.weights).T
    logits = (logits + logs @ np.array(info.mix).T + np.array(info.intercept)) / info.temperature
    logits -= logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)


def _two_axes(shape: tuple[int, ...]) -> tuple[int, int]:
    """Features and frames, from the axes after the batch: the last is the frames."""
    return (shape[0], 1) if len(shape) == 1 else (int(np.prod(shape[:-1])), shape[-1])


Tensors = Mapping[str, tuple[str, Mapping[str, int | None]]]
"""Name -> type, and the sizes of its axes after the batch."""


def _inputs(card: Card) -> Tensors:
    """What the graph of a model takes."""
    sound: Tensors = {"waveform": ("float", {"samples": None})}
    if card.encoder is not None:
        sound = {"encoded": ("float", encoded_axes(card.encoder))}
    if card.profiles is None:
        return sound
    dimensions = {"dimensions": card.profiles.dimensions}
    return {**sound, "baseline": ("float", dimensions), "kind": ("int64", {})}


def _outputs(card: Card) -> Tensors:
    """What it gives."""
    labels = card.labels if card.adapted is None else card.adapted.graph_labels
    probabilities: Tensors = {"probabilities": ("float", {"classes": len(labels)})}
    if card.profiles is None:
        return probabilities
    dimensions = {"dimensions": card.profiles.dimensions}
    return {**probabilities, "embedding": ("float", dimensions)}
