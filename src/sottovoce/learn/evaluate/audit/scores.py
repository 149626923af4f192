"""The scores of an audit, from a confusion matrix for every draw of speakers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sottovoce.learn.evaluate.intervals import SpeakerDraws
from sottovoce.learn.evaluate.metrics import LabelledPredictions


def emotions_of(predictions: LabelledPredictions) -> list[int]:
    """The emotions of some clips, as indices of the labels."""
    return [int(emotion) for emotion in np.unique(predictions.truth)]


def confusions(predictions: LabelledPredictions, emotions: Sequence[int]) -> NDArray[np.float64]:
    """One-hot confusion of each clip: (n, emotions, labels); the emotions are the first labels."""
    labels = len(predictions.labels)
    order = [*emotions, *(label for label in range(labels) if label not in set(emotions))]
    column = np.argsort(order)[predictions.predicted]
    row = np.argsort(order)[predictions.truth]
    result = np.zeros((len(predictions.clips), len(emotions), labels))
    known = np.flatnonzero(row < len(emotions))
    result[known, row[known], column[known]] = 1
    return result


def scores_of(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Score confusion matrices (..., emotions, labels), the emotions being the first labels.

    An emotion without clips has no recall or precision (NaN) and is left out of their means; one
    that is never predicted has precision 0, as in ser-tests.
    """
    emotions = confusion.shape[-2]
    hits = np.diagonal(confusion[..., :emotions], axis1=-2, axis2=-1)
    clips, predicted = confusion.sum(-1), confusion.sum(-2)[..., :emotions]
    there = clips > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / clips
        precision = np.where(there, np.where(predicted > 0, hits / predicted, 0.0), np.nan)
        return {
            "uar": np.where(there, recall, 0).sum(-1) / there.sum(-1),
            "uap": np.where(there, precision, 0).sum(-1) / there.sum(-1),
            "recall": recall,
            "precision": precision,
            "share": predicted / clips.sum(-1)[..., None],
        }


def by_speaker(draws: SpeakerDraws, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum a value of each clip over the clips of each speaker: (n, ...) -> (speakers, ...)."""
    speakers = draws.weights.shape[1]
    return SpeakerDraws(np.eye(speakers), draws.unit).total(values)
