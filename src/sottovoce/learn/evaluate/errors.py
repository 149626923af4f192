"""Where a model errs: by pair of emotions, by emotion, by speaker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sottovoce.learn.evaluate.metrics import LabelledPredictions, confusion


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Clips of one emotion that were taken for another.

    Attributes:
        truth: what they are.
        predicted: what they were taken for.
        clips: how many, mean over runs.
        fraction: of the clips that are `truth`, 0 to 1.
    """

    truth: str
    predicted: str
    clips: float
    fraction: float


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """How well one emotion is told, mean over runs; NaN where nothing can be said.

    Attributes:
        label: the emotion.
        clips: that are of it.
        precision: the fraction of the clips taken for it that are of it, 0 to 1.
        recall: the fraction of its clips that are taken for it.
        f1: 2 precision recall / (precision + recall).
    """

    label: str
    clips: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class SpeakerErrors:
    """How well one speaker's emotions are told.

    Attributes:
        speaker: as in the predictions.
        clips: of the speaker.
        accuracy: the fraction of them that is right, mean over runs.
        confused: the speaker's most frequent error, if any: "sad as calm".
    """

    speaker: str
    clips: int
    accuracy: float
    confused: str


@dataclass(frozen=True, slots=True)
class ErrorAnalysis:
    """Where a model errs; pairs by clips, the most frequent first, speakers by accuracy."""

    pairs: tuple[ConfusedPair, ...]
    labels: tuple[LabelErrors, ...]
    speakers: tuple[SpeakerErrors, ...]

    @property
    def weighted(self) -> LabelErrors:
        """The mean over the emotions, weighted by their clips; a precision of NaN counts as 0."""
        weights = [found.clips for found in self.labels]
        values = np.nan_to_num([(found.precision, found.recall, found.f1) for found in self.labels])
        return LabelErrors("weighted mean", sum(weights), *np.average(values, 0, weights).tolist())


def analyse_errors(runs: Sequence[LabelledPredictions]) -> ErrorAnalysis:
    """Count the errors of runs over the same clips."""
    first = runs[0]
    counts: NDArray[np.float64] = np.mean([confusion(run) for run in runs], axis=0)
    return ErrorAnalysis(
        pairs=tuple(_pairs(counts, first.labels)),
        labels=tuple(_label_errors(counts, first.labels)),
        speakers=tuple(
            sorted(
                (_speaker_errors(runs, speaker) for speaker in np.unique(first.speakers).tolist()),
                key=lambda found: found.accuracy,
            )
        ),
    )


def _pairs(counts: NDArray[np.float64], labels: Sequence[str]) -> list[ConfusedPair]:
    support = counts.sum(axis=1)
    found = [
        ConfusedPair(labels[i], labels[j], float(counts[i, j]), float(counts[i, j] / support[i]))
        for i, j in np.argwhere(counts > 0).tolist()
        if i != j
    ]
    return sorted(found, key=lambda pair: -pair.clips)


def _label_errors(counts: NDArray[np.float64], labels: Sequence[str]) -> list[LabelErrors]:
    found = []
    for i, label in enumerate(labels):
        hits, truth, taken = counts[i, i], counts[i].sum(), counts[:, i].sum()
        precision, recall, f1 = (
            float(part / whole) if whole else float("nan")
            for part, whole in ((hits, taken), (hits, truth), (2 * hits, truth + taken))
        )
        found.append(LabelErrors(label, round(float(truth)), precision, recall, f1))
    return found


def _speaker_errors(runs: Sequence[LabelledPredictions], speaker: str) -> SpeakerErrors:
    own = [run.take(np.flatnonzero(run.speakers == speaker)) for run in runs]
    counts: NDArray[np.float64] = np.mean([confusion(run) for run in own], axis=0)
    pairs = _pairs(counts, own[0].labels)
    return SpeakerErrors(
        speaker,
        len(own[0].clips),
        float(np.trace(counts) / counts.sum()),
        f"{pairs[0].truth} as {pairs[0].predicted}" if pairs else "",
    )
