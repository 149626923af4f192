"""From a recording to a prediction: what comes before the network runs, and what comes after."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples, Source
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.window import pieces
from sottovoce.models.card import Card
from sottovoce.options import PredictOptions
from sottovoce.results import Prediction, Status, WarningCode, Warnings
from sottovoce.text import describe
from sottovoce.vad.gate import Gate

Probabilities = NDArray[np.float32]

Network = Callable[[Samples], Probabilities]
"""(clips, samples) -> (clips, classes)."""

BATCH_SECONDS = 32.0
"""How much audio goes into one run of the network at most; it bounds the memory of a run."""

MAX_PEAK = 100.0
"""Samples beyond this were never scaled to -1..1; recordings in floats may well exceed 1."""


@dataclass(frozen=True, slots=True)
class PreparedRecording:
    """A recording that passed the gate, cut into the pieces that the network is run on."""

    path: str | None
    duration: float
    pieces: Sequence[Samples]
    channel: int | None = None
    """From 1; None where they were mixed."""
    warnings: Warnings = ()


class Predictor:
    """Prepares recordings for one model, and makes predictions from its output.

    Args:
        card: of the model.
        options: of the predictions.
        min_confidence: what goes with a profile, where the options say nothing; None: the card's.
    """

    def __init__(
        self, card: Card, options: PredictOptions, min_confidence: float | None = None
    ) -> None:
        self.card = card
        self.gate = Gate(options.gate)
        default = card.min_confidence if min_confidence is None else min_confidence
        given = options.min_confidence
        self.min_confidence = default if given is None else given

    def preprocess(self, source: Source) -> PreparedRecording | Prediction:
        """Decode, gate and cut, with the channels mixed and however long it is; see `prepare`.

        Raises:
            SottovoceError: the source cannot be read, or was not scaled.
        """
        return self.prepare(Audio.read(source, sample_rate=self.card.sample_rate), source)

    def prepare(
        self, audio: Audio, source: Source, channel: int | None = None
    ) -> PreparedRecording | Prediction:
        """Gate and cut a decoded recording; a `Prediction` already where there is no speech.

        Args:
            audio: one channel, at the model's rate.
            source: what it was read from.
            channel: its number, from 1; None where channels were mixed.

        Raises:
            AudioError: it was not scaled.
        """
        if audio.peak > MAX_PEAK:
            raise AudioError(
                f"{describe(source)}: samples reach {audio.peak:.3g}; scale them to -1..1"
            )
        found = self.gate.check(audio)
        path = source_path(source)
        warnings = told(audio.warnings or (), speech=found.status is Status.OK)
        if found.status is Status.OK:
            cut = pieces(audio, self.card.window, found.extent)
            return PreparedRecording(path, audio.duration, cut, channel, warnings)
        if found.status is Status.TOO_SHORT:
            short = self.too_short(path, audio.duration, channel)
            return short.model_copy(update={"warnings": warnings})
        return self._prediction(
            found.status,
            path,
            found.status.words.sentence,
            duration=audio.duration,
            channel=channel,
            warnings=warnings,
        )

    def too_short(self, path: str | None, duration: float, channel: int | None) -> Prediction:
        """The prediction about a recording of less than the gate needs; `duration` in s."""
        status = Status.TOO_SHORT
        message = f"{status.words.sentence}, {self.gate.options.min_duration:g} s are needed"
        return self._prediction(status, path, message, duration=duration, channel=channel)

    def not_a_number(self, path: str | None, duration: float, channel: int | None) -> Prediction:
        """The prediction where the network's output is not a number; `duration` in s."""
        message = f"{path or 'the recording'}: the model's answer to it is not a number; "
        message += "try another model"
        return self._prediction(Status.ERROR, path, message, duration=duration, channel=channel)

    def postprocess(self, recording: PreparedRecording, rows: Probabilities) -> Prediction:
        """The prediction from the network's output.

        Args:
            recording: as prepared.
            rows: (pieces, classes), averaged in proportion to the pieces' lengths.

        Returns:
            `ok` or `uncertain`; `error` where the network's output is not a number.
        """
        return self.answer(recording, mean_of_pieces(recording, rows))

    def answer(self, recording: PreparedRecording, mean: NDArray[np.float64]) -> Prediction:
        """The same from the mean over the pieces, (classes,)."""
        if not np.isfinite(mean).all():
            failed = self.not_a_number(recording.path, recording.duration, recording.channel)
            return failed.model_copy(update={"warnings": recording.warnings})
        best = int(mean.argmax())
        confidence = float(mean[best])
        status = Status.OK if confidence >= self.min_confidence else Status.UNCERTAIN
        return self._prediction(
            status,
            recording.path,
            status.words.sentence,
            duration=recording.duration,
            channel=recording.channel,
            warnings=recording.warnings,
            emotion=self.card.labels[best],
            confidence=confidence,
            probabilities=dict(zip(self.card.labels, mean.tolist(), strict=True)),
        )

    def error(self, source: Source, error: SottovoceError | MemoryError) -> Prediction:
        """The prediction, of status `error`, for a source that could not be predicted."""
        message = str(error) or f"{describe(source)}: not enough memory to decode it; split it"
        return self._prediction(Status.ERROR, source_path(source), message)

    def _prediction(
        self, status: Status, path: str | None, message: str, **more: Any
    ) -> Prediction:
        return Prediction(
            status=status, model=self.card.title, source=path, message=message, **more
        )


def mean_of_pieces(recording: PreparedRecording, rows: Probabilities) -> NDArray[np.float64]:
    """(classes,) the mean of (pieces, classes), in proportion to the pieces' lengths."""
    lengths = [len(piece) for piece in recording.pieces]
    return np.asarray(np.average(rows.astype(np.float64), axis=0, weights=lengths))


def run_network(predictor: Predictor, network: Network, recording: PreparedRecording) -> Prediction:
    """Run the network on the pieces of one recording, and make the prediction from its output."""
    return predictor.postprocess(recording, run_pieces(predictor, network, recording))


def run_pieces(
    predictor: Predictor, network: Network, recording: PreparedRecording
) -> Probabilities:
    """(pieces, classes): what the network gives for the pieces of one recording."""
    rows = np.empty((len(recording.pieces), len(predictor.card.labels)), np.float32)
    lengths = [len(piece) for piece in recording.pieces]
    for batch in batches(lengths, predictor.card.sample_rate):
        rows[batch] = network(np.stack([recording.pieces[index] for index in batch]))
    return rows


def batches(lengths: Sequence[int], sample_rate: int) -> list[list[int]]:
    """Which pieces go into the network together: those of one length, up to `BATCH_SECONDS`.

    >>> batches([8, 4, 8], sample_rate=4)
    [[1], [0, 2]]
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    together: list[list[int]] = []
    for index in order:
        length = lengths[index]
        most = max(1, int(BATCH_SECONDS * sample_rate) // length)
        if together and lengths[together[-1][0]] == length and len(together[-1]) < most:
            together[-1].append(index)
        else:
            together.append([index])
    return together


def told(warnings: Warnings, *, speech: bool) -> Warnings:
    """The warnings that are worth saying, each once: of the band only where somebody speaks."""
    silent = () if speech else (WarningCode.NARROW_BAND,)
    once = {warning.code: warning for warning in warnings if warning.code not in silent}
    return tuple(once.values())


def source_path(source: Any) -> str | None:
    r"""The path of a source as a string that is always valid Unicode, or None where it has none.

    Bytes of a file name that are no UTF-8 are written as `\udcXX`.
    """
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if isinstance(source, Mapping):  # as Hugging Face gives it
        name = source.get("path")
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    return os.fsdecode(name).encode("utf-8", "backslashreplace").decode("utf-8")
