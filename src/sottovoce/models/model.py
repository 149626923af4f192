"""A model: opens one model file, checks it, and predicts one recording or many."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sottovoce.audio import Source
from sottovoce.errors import AudioError, ModelError, SottovoceError
from sottovoce.inference.batch_predictor import number_of_workers, predict_many, run_network
from sottovoce.inference.predictor import Predictor, Probabilities
from sottovoce.inference.stream import Stream
from sottovoce.inference.timeline import Timeline
from sottovoce.models.card import Card
from sottovoce.models.encoder import encoded_axes, open_encoder
from sottovoce.models.model_file import read_model_file
from sottovoce.models.session import check_tensor, open_session
from sottovoce.options import GateOptions, PredictOptions, TimelineOptions
from sottovoce.results import Prediction, Status
from sottovoce.text import describe, one_line


class Model:
    """One opened model file. Safe to use from several threads at once.

    Open it with `sottovoce.load` or `Model.open`.
    """

    def __init__(
        self,
        card: Card,
        session: onnxruntime.InferenceSession,
        encoder: onnxruntime.InferenceSession | None = None,
    ) -> None:
        self._card = card
        self._session = session
        self._encoder = encoder

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, threads: int = 1) -> Self:
        """Open a model file, after checking all of it.

        Args:
            path: an .onnx file that Sottovoce exported.
            threads: how many threads one run of the network may use.

        Raises:
            ModelError: the file cannot be read or is refused, or the pretrained encoder that it
                needs is not here; one line says why.
            SottovoceError: `threads` is not at least 1.
        """
        if threads < 1:
            raise SottovoceError(f"threads is {threads}; expected 1 or more")
        data, card = read_model_file(path)
        try:
            session = open_session(data, threads)
            encoder = None
            if card.encoder is None:
                check_tensor("input", session.get_inputs(), "waveform", {"samples": None})
            else:
                encoder = open_encoder(card.encoder, threads, describe(path))
                check_tensor("input", session.get_inputs(), "encoded", encoded_axes(card.encoder))
            classes = {"classes": len(card.labels)}
            check_tensor("output", session.get_outputs(), "probabilities", classes)
            model = cls(card, session, encoder)
            model._check_answers()
        except ModelError as error:
            raise ModelError(f"{describe(path)}: {error}") from None
        return model

    @property
    def card(self) -> Card:
        """Everything known about the model."""
        return self._card

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions, in the order of the outputs."""
        return self._card.labels

    def __repr__(self) -> str:
        return f"<Model {self._card.title}: {', '.join(self.labels)}>"

    def probabilities(self, batch: NDArray[np.floating[Any]]) -> Probabilities:
        """Run the network alone: no gate, no window.

        Args:
            batch: (clips, samples), at `card.sample_rate`, nominally -1..1.

        Returns:
            (clips, classes), each row summing to 1, in the order of `labels`.

        Raises:
            ModelError: the network cannot take this batch.
        """
        waveform = np.ascontiguousarray(batch, dtype=np.float32)
        given = {"waveform": waveform}
        try:
            if self._encoder is not None:
                given = {"encoded": self._encoder.run(["encoded"], given)[0]}
            (rows,) = self._session.run(["probabilities"], given)
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ModelError(
                f"{self._card.title} cannot run on a batch of {waveform.shape}: {one_line(error)}"
            ) from None
        return np.asarray(rows, dtype=np.float32)

    def predict(
        self,
        source: Source,
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
    ) -> Prediction:
        """The emotion in one recording.

        Args:
            source: a path, the bytes of a file, a binary file object, (array, rate) or `Audio`.
            gate: thresholds of the gate; the defaults if None.
            min_confidence: below it the status is `uncertain`, 0 to 1; the card's own if None.

        Raises:
            AudioError: the source cannot be read, its samples are far beyond -1..1, or the model's
                output is not a number.
            SottovoceError: `min_confidence` is not within 0 to 1.
        """
        predictor = self._predictor(gate, min_confidence)
        prepared = predictor.preprocess(source)
        if isinstance(prepared, Prediction):
            return prepared
        prediction = run_network(predictor, self.probabilities, prepared)
        if prediction.status is Status.ERROR:
            raise AudioError(prediction.message)
        return prediction

    def predict_many(
        self,
        sources: Iterable[Source],
        *,
        gate: GateOptions | None = None,
        min_confidence: float | None = None,
        workers: int | None = None,
    ) -> Iterator[Prediction]:
        """The emotions in many recordings, in order, as they come.

        A source that cannot be read gives a prediction of status `error`, and the rest go on.

        Args:
            sources: any number of what `predict` takes; read as they are needed, a few
                dozen ahead.
            gate: as for `predict`.
            min_confidence: as for `predict`.
            workers: threads that decode, gate and run; if None, one a processor, at most 4.

        Raises:
            SottovoceError: an argument is out of its range.
        """
        threads = number_of_workers(workers)
        predictor = self._predictor(gate, min_confidence)
        return predict_many(predictor, self.probabilities, sources, threads)

    def timeline(self, source: Source, *, workers: int | None = None, **options: Any) -> Timeline:
        """Emotion over time in a recording of any length, segment by segment as it is read.

        Args:
            source: as for `predict`.
            workers: threads for the network; if None, one a processor, at most 4.
            options: window=3.0, hop=1.0 and the other fields of `TimelineOptions`.

        Raises:
            AudioError: the source cannot be opened or decoded, then or while it is read.
            SottovoceError: an option is unknown, out of its range or does not go with the model, or
                `workers` is not at least 1.
        """
        chosen = TimelineOptions(**options)
        return Timeline(Predictor(self._card, chosen), self.probabilities, source, chosen, workers)

    def stream(self, sample_rate: int, **options: Any) -> Stream:
        """The same for samples that come piece by piece, at this rate in Hz; see `Stream`.

        Raises:
            AudioError: the sample rate is out of its range.
            SottovoceError: an option is unknown or out of its range.
        """
        chosen = TimelineOptions(**options)
        return Stream(Predictor(self._card, chosen), self.probabilities, sample_rate, chosen)

    def _predictor(self, gate: GateOptions | None, min_confidence: float | None) -> Predictor:
        options = PredictOptions(gate=gate or GateOptions(), min_confidence=min_confidence)
        return Predictor(self._card, options)

    def _check_answers(self) -> None:
        """Run the network on a little noise: its output must be probabilities of the labels."""
        samples = max(1, round(self._card.window.min * self._card.sample_rate))
        noise = np.random.default_rng(0).normal(0, 0.1, (2, samples))
        rows = self.probabilities(noise)
        expected = (2, len(self.labels))
        if rows.shape != expected:
            raise ModelError(
                f"gives {rows.shape} for 2 clips; expected {expected}, one column a label; "
                "export it again"
            )
        if not (rows >= 0).all() or not np.allclose(rows.sum(axis=1), 1, atol=1e-3):
            raise ModelError("gives no probabilities (0 to 1, summing to 1); export it again")
