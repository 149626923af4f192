"""What benchmarks share that judge changed sound: clips of a corpus, changed, and a model's UAR."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sottovoce.learn.corpora import Clip
from sottovoce.learn.evaluate.intervals import SpeakerDraws
from sottovoce.learn.evaluate.metrics import LabelledPredictions, MetricSums
from sottovoce.models.model import Model
from sottovoce.results import WarningCode

DRAWS = 2_000
Samples = NDArray[np.float32]
Coder = Callable[[Samples, int], tuple[Samples, int]]
"""Samples and rate as they are -> as they come back."""


def clean(samples: Samples, rate: int) -> tuple[Samples, int]:
    """As it is."""
    return samples, rate


def some(clips: Sequence[Clip], count: int, labels: Sequence[str]) -> list[Clip]:
    """So many clips of each speaker, spread evenly over the files' names."""
    by_speaker: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.path):
        emotion = "neutral" if clip.emotion == "calm" and "calm" not in labels else clip.emotion
        if emotion in labels:
            by_speaker.setdefault(clip.speaker, []).append(clip)
    chosen = []
    for spoken in by_speaker.values():
        places = np.unique(np.linspace(0, len(spoken) - 1, count).round().astype(int))
        chosen += [spoken[place] for place in places]
    return chosen


def judged(
    model: Model,
    clips: Sequence[Clip],
    sound: Sequence[tuple[Samples, int]],
    code: Coder,
) -> tuple[LabelledPredictions, float]:
    """What the model says of coded clips, and the share that is said to have a narrow band."""
    labels = model.labels
    rows = np.full((len(clips), len(labels)), 1 / len(labels))
    narrow = 0
    coded = (code(*each) for each in sound)
    for number, answer in enumerate(model.predict_many(coded, workers=1)):
        if answer.probabilities:
            rows[number] = [answer.probabilities[label] for label in labels]
        narrow += any(each.code is WarningCode.NARROW_BAND for each in answer.warnings)
    emotions = [
        "neutral" if clip.emotion == "calm" and "calm" not in labels else clip.emotion
        for clip in clips
    ]
    rows = np.maximum(rows, 1e-9)
    predictions = LabelledPredictions(
        truth=np.array([labels.index(emotion) for emotion in emotions]),
        log_probabilities=np.log(rows / rows.sum(axis=1, keepdims=True)),
        speakers=np.array([clip.speaker for clip in clips]),
        clips=np.array([str(clip.path) for clip in clips]),
        labels=tuple(labels),
    )
    return predictions, narrow / len(clips)


def uar(predictions: LabelledPredictions, drawn: SpeakerDraws) -> NDArray[np.float64]:
    """UAR of all clips, then of each draw."""
    sums = MetricSums.of(predictions, drawn.unit, drawn.weights.shape[1])
    return sums.weighted(drawn.weights).metrics(predictions.labels)["uar"]
